"""How long a run of the site's playbook takes that finds nothing to change. Rehearsal up."""

from __future__ import annotations

import json
import time

from bench.figure import Figure
from bench.timing import LANDFALL
from landfall import process

GOAL_S = 60.0


def measure() -> list[Figure]:
    """Seconds of the whole command, after a run that left nothing to do."""
    process.run([LANDFALL, "site", "dev"])
    started = time.perf_counter()
    done = process.run([LANDFALL, "site", "dev", "--json"])
    took = time.perf_counter() - started
    changed = json.loads(done.stdout)["changed"]
    if changed:
        raise SystemExit(f"{changed} tasks changed something in a run that should change nothing")
    return [Figure(name="site run without a change, one host", value=took, unit="s", goal=GOAL_S)]
