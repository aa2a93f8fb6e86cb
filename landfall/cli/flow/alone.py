"""One run at a time of what changes an environment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from landfall.errors import Busy
from landfall.model.environment import Environment


@contextmanager
def only_one(environment: Environment) -> Iterator[None]:
    """Keep a second run away from the same environment.

    Raises:
        Busy: another run is at it; its lock goes with its process.
    """
    path = environment.work / "run.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".holder")
    try:
        with FileLock(path, timeout=0):
            holder.write_text(json.dumps({"pid": os.getpid()}))
            yield
            holder.unlink(missing_ok=True)
    except Timeout as error:
        pid = json.loads(holder.read_text())["pid"] if holder.exists() else "unknown"
        raise Busy(
            f"another run is changing {environment.name} (process {pid})",
            hint="wait for it to end; if it was killed, its lock went with it",
        ) from error
