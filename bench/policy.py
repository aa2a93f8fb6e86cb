"""What the policy pack adds to a preview of prod, everything on, against the offline cloud.

One process previews in turns without and with the pack, from an empty state; each starts its own
engine, and the pack its own interpreter, as they do for a person.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from bench.figure import Figure
from landfall.model.environment import cache_folder, find
from stacks import automation, toolchain

ROUNDS = 5
GOAL = 40.0
"""Percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How long a preview took, in seconds, and how many resources it had."""

    seconds: float
    resources: int


def previewed(session: automation.Session) -> Preview:
    """Preview once."""
    started = time.perf_counter()
    found = automation.preview(session)
    return Preview(seconds=time.perf_counter() - started, resources=len(found.changes))


def measure() -> list[Figure]:
    """The median of each round's own ratio, less one, in percent."""
    tools = toolchain.ensure(cache_folder(), on_progress=print)
    with (
        tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder,
        automation.offline(find("prod"), tools, Path(folder)) as judged,
    ):
        plain = replace(judged, policies=None)
        previewed(plain)  # the offline provider reads the SDK once
        pairs = [(previewed(plain), previewed(judged)) for _ in range(ROUNDS)]
    added = statistics.median((mine.seconds / theirs.seconds - 1) * 100 for theirs, mine in pairs)
    without, with_pack = (
        statistics.median(each.seconds for each in column) for column in zip(*pairs, strict=True)
    )
    resources = pairs[0][0].resources
    return [
        Figure(
            name=f"policy pack over prod, {resources} resources",
            value=added,
            unit="percent",
            goal=GOAL,
            detail=f"{with_pack:.2f} s against {without:.2f} s, median of {ROUNDS} pairs",
        )
    ]
