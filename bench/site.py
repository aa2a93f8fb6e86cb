"""How long a run of the site's playbook takes that finds nothing to change. Rehearsal up."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.figure import Figure
from landfall import process

GOAL_S = 25.0


def measure() -> list[Figure]:
    """Seconds of the whole command, after a run that left nothing to do."""
    landfall = Path(sys.executable).with_name("landfall")
    process.run([landfall, "site", "dev"])
    started = time.perf_counter()
    done = process.run([landfall, "site", "dev", "--json"])
    took = time.perf_counter() - started
    changed = json.loads(done.stdout)["changed"]
    if changed:
        raise SystemExit(f"{changed} tasks changed something in a run that should change nothing")
    return [Figure(name="site run without a change, one host", value=took, unit="s", goal=GOAL_S)]
