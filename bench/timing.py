"""How long something takes, and the command of this checkout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

LANDFALL = Path(sys.executable).with_name("landfall")
"""The command that belongs to the running interpreter."""


def timed(act: Callable[[], object]) -> float:
    """How long `act` takes, in seconds."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
