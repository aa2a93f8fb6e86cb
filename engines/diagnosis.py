"""Known error texts in a log: what is wrong, and what to do next. The texts are data with sources.

Of a log only what a pattern matches is shown: the rest of a line may be somebody's prompt.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pydantic import Field, TypeAdapter

from landfall.model.parsing import Written

CATALOG = Path(__file__).parent / "catalog" / "diagnosis.toml"

LONGEST_LINE = 20_000
"""Characters of a line that are read: tensors have been printed into logs."""
LONGEST_QUOTE = 200


class Known(Written):
    """One error text that is known. `cause` and `next` may name groups of `pattern`."""

    pattern: re.Pattern[str]
    cause: str
    next: str
    seen: str
    sources: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A known error in a log.

    Attributes:
        name: of the error in the catalog.
        lines: on which it stands, from 1; every process of a server may have written it.
        quote: what was matched, of the first of them.
        cause: what is wrong.
        next: what to do.
        seen: versions in which it was met.
        sources: where it was published.
    """

    name: str
    lines: tuple[int, ...]
    quote: str
    cause: str
    next: str
    seen: str
    sources: tuple[str, ...]


@cache
def known() -> Mapping[str, Known]:
    """Every error that is known, by name."""
    written = tomllib.loads(CATALOG.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, Known]).validate_python(written)


def diagnose(log: Iterable[str]) -> tuple[Finding, ...]:
    """The known errors in the lines of a log, in the order of their first lines."""
    found: dict[tuple[str, str], Finding] = {}
    for number, line in enumerate(log, start=1):
        for name, each in known().items():
            match = each.pattern.search(line[:LONGEST_LINE])
            if match is None:
                continue
            told = _finding(name, each, match, number)
            before = found.get((name, told.cause))
            lines = (*before.lines, number) if before else (number,)
            found[name, told.cause] = replace(before or told, lines=lines)
    return tuple(found.values())


def _finding(name: str, each: Known, match: re.Match[str], number: int) -> Finding:
    words = match.groupdict()
    return Finding(
        name=name,
        lines=(number,),
        quote=match[0][:LONGEST_QUOTE],
        cause=each.cause.format_map(words),
        next=each.next.format_map(words),
        seen=each.seen,
        sources=each.sources,
    )


def table() -> str:
    """The known errors as the rows of docs/diagnosis.md."""
    rows = ((name, each.cause, each.next) for name, each in known().items())
    return "".join(f"| `{name}` | {cause} | {following} |\n" for name, cause, following in rows)


if __name__ == "__main__":
    print(table(), end="")
