"""The file that marks a folder of state as made by the offline provider."""

from __future__ import annotations

from pathlib import Path

FILE = ".landfall-offline"

TEXT = """\
The state in this folder was made by Landfall's offline provider. Nothing in it exists in any
account. Never point a real AWS provider at it.
"""


def mark(folder: Path) -> None:
    """Mark a state folder as offline; make it if it is not there. Safe to repeat."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{FILE}.part"
    partial.write_text(TEXT, encoding="utf-8")
    partial.replace(folder / FILE)


def is_marked(folder: Path) -> bool:
    """Whether a state folder is an offline one."""
    return (folder / FILE).is_file()
