"""How long the demo takes where set-up is cached, from nothing trained and nothing running.

This forgets the rehearsal of this checkout first (`landfall down --purge`), so it must be named to
be run: `python -m bench demo`.
"""

from __future__ import annotations

from bench.figure import Figure
from bench.timing import LANDFALL, timed
from landfall import process

GOAL_S = 180.0


def measure() -> list[Figure]:
    """Seconds of the whole command."""
    process.run([LANDFALL, "down", "--purge"])
    took = timed(lambda: process.run([LANDFALL, "demo"]))
    return [Figure(name="demo, set-up cached", value=took, unit="s", goal=GOAL_S)]
