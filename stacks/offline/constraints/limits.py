"""Bounds, choices and forms of single properties, from `data/limits.toml`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from landfall.errors import Problem
from stacks.offline.constraints.view import View, words

TABLE = Path(__file__).parents[1] / "data" / "limits.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a property of some types may be, and who says so.

    Attributes:
        types: the resource types.
        paths: patterns of the properties.
        ranges: pairs of the least and the greatest number.
        one_of: the only values, or none.
        matches: a regular expression for the whole text, and `form` what it means.
        source: where AWS documents it.
    """

    types: tuple[str, ...]
    paths: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...] = ()
    one_of: tuple[Any, ...] = ()
    matches: str = ""
    form: str = ""
    source: str

    def allows(self, value: Any) -> bool:
        """Whether a value is within the limit. Of another type is another check's business."""
        if self.ranges:
            number = _number(value)
            return number is None or any(low <= number <= high for low, high in self.ranges)
        if self.one_of:
            return value in self.one_of
        return not isinstance(value, str) or re.fullmatch(self.matches, value) is not None

    @property
    def wanted(self) -> str:
        """What would be right, in words."""
        if self.ranges:
            return f"must be {words(f'from {low} to {high}' for low, high in self.ranges)}"
        if self.one_of:
            return f"must be {words(self.one_of)}"
        return f"must be {self.form}"


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


@cache
def limits() -> tuple[Limit, ...]:
    """Every limit of the table."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["limit"]
    return tuple(_limit(row) for row in rows)


def _limit(row: dict[str, Any]) -> Limit:
    lists = {"types", "paths", "one_of"}
    given: dict[str, Any] = {
        name: tuple(value) if name in lists else value for name, value in row.items()
    }
    given["ranges"] = tuple(tuple(pair) for pair in row.get("ranges", ()))
    return Limit(**given)


@cache
def _by_type(token: str) -> tuple[Limit, ...]:
    return tuple(limit for limit in limits() if token in limit.types)


def within_limits(view: View) -> Iterator[Problem]:
    """Every single property is what AWS accepts."""
    for limit in _by_type(view.token):
        for pattern in limit.paths:
            for path, value in view.each(pattern):
                if not limit.allows(value):
                    yield Problem(path=path, message=f"{limit.wanted} ({limit.source})")
