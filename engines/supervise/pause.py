"""How long to wait before a start, after starts that failed: twice as long each time.

systemd 252 waits the same time before every restart (RestartSteps= came with 254), so the failures
are counted here. The file lies in the unit's runtime directory, which a stop by hand removes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from landfall import files

FIRST_S, LONGEST_S = 5.0, 300.0
"""The first pause beside systemd's own, and the longest: a driver that comes back is soon found."""
FORGOTTEN_S = 1800.0
"""A failure that is older no longer counts: what runs for this long works."""
KEPT = 16


def pause_s(failures: Sequence[float], now: float) -> float:
    """The pause before a start, in seconds. `failures` and `now` are seconds since the epoch."""
    recent = sum(1 for each in failures if 0 <= now - each < FORGOTTEN_S)
    return min(FIRST_S * 2.0 ** (recent - 1), LONGEST_S) if recent else 0.0


def failures(record: Path) -> tuple[float, ...]:
    """When starts or runs failed; nothing where the file is missing or is not one of ours."""
    try:
        value = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    numbers = value if isinstance(value, list) else []
    return tuple(float(each) for each in numbers if isinstance(each, int | float))


def remember(record: Path, now: float) -> None:
    """Add a failure."""
    record.parent.mkdir(parents=True, exist_ok=True)
    files.write(record, json.dumps([*failures(record), now][-KEPT:]))
