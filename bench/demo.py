"""How long the demo takes where set-up is cached, from nothing trained and nothing running.

This forgets the rehearsal of this checkout first (`landfall down --purge`), so it must be named to
be run: `python -m bench demo`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench.figure import Figure
from landfall import process

GOAL_S = 180.0


def measure() -> list[Figure]:
    """Seconds of the whole command."""
    landfall = Path(sys.executable).with_name("landfall")
    process.run([landfall, "down", "--purge"])
    started = time.perf_counter()
    process.run([landfall, "demo"])
    took = time.perf_counter() - started
    return [Figure(name="demo, set-up cached", value=took, unit="s", goal=GOAL_S)]
