"""The documents of the repository, read as far as the tests need it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from landfall.model.environment import ROOT

FENCE = re.compile(r"^(`{3,})([^\n]*)\n(.*?)^\1\s*$", re.M | re.S)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.M)


@dataclass(frozen=True)
class Document:
    """One Markdown file. `name` is its path in the repository."""

    name: str
    text: str

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).parent

    @cached_property
    def prose(self) -> str:
        """The text without code blocks."""
        return FENCE.sub("", self.text)

    @property
    def blocks(self) -> list[str]:
        """The code blocks that show commands: those without a language."""
        return [match[3] for match in FENCE.finditer(self.text) if not match[2].strip()]

    @property
    def code(self) -> list[str]:
        """What stands in backticks."""
        return CODE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        return LINK.findall(CODE.sub("", self.prose))

    @property
    def anchors(self) -> set[str]:
        """What GitHub makes of the headings."""
        return {slug(title) for title in HEADING.findall(self.prose)}

    def table(self, *headings: str) -> list[list[str]]:
        """The rows of the one table that begins with these headings; backticks are left out."""
        found = [rows for rows in self.tables() if rows[0][: len(headings)] == list(headings)]
        assert len(found) == 1, f"{self.name}: {len(found)} tables begin with {headings}"
        return found[0][1:]

    def tables(self) -> Iterator[list[list[str]]]:
        for block in re.findall(r"(?:^\|.*\|\n)+", self.prose, re.M):
            rows = [
                [cell.strip().replace("`", "") for cell in line.strip("|").split("|")]
                for line in block.splitlines()
            ]
            yield [row for row in rows if not set("".join(row)) <= set("-: ")]


def slug(title: str) -> str:
    """A heading as GitHub's anchor."""
    kept = re.sub(r"[^\w\- ]", "", title.replace("`", "").lower())
    return kept.replace(" ", "-")


def document(name: str) -> Document:
    return Document(name=name, text=(ROOT / name).read_text())


def documents() -> list[Document]:
    """README and its like, and every page below docs/."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return [document(str(path.relative_to(ROOT))) for path in sorted(paths)]
