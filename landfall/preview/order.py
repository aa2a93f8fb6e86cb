"""Worst first."""

from __future__ import annotations

from collections.abc import Iterable

from landfall.model.change import Change, Half


def worst_first(changes: Iterable[Change]) -> list[Change]:
    """Changes by severity, then half, then id: the same order on every run."""
    halves = list(Half)
    return sorted(changes, key=lambda each: (-each.severity, halves.index(each.half), each.id))
