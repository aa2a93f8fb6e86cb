"""How long the digests of a large model take: remembered, and read in full on one and two cores."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from bench.timing import timed
from engines import digest

GIB = 2**30
FILES, EACH = 2, 5 * GIB
"""Two files of 5 GiB without content: reading them costs no disk, only hashing."""

GOAL_MS = 50.0


def measure() -> list[Figure]:
    """The unchanged model, and the same read in full."""
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as name:
        folder = Path(name)
        paths = [folder / f"model-{number}.safetensors" for number in range(FILES)]
        for path in paths:
            path.touch()
            with path.open("r+b") as stream:
                stream.truncate(EACH)
        time.sleep(digest.SETTLED_S + 0.5)
        remembered = folder / "digests.json"
        both = timed(lambda: digest.of_files(paths, remembered=remembered))
        again = min(timed(lambda: digest.of_files(paths, remembered=remembered)) for _ in range(5))
        one = timed(lambda: [digest.of_file(path) for path in paths])
    size = FILES * EACH / 1e9
    return [
        Figure(
            name="key: digests of an unchanged model of 10 GiB",
            value=again * 1000,
            unit="ms",
            goal=GOAL_MS,
        ),
        Figure(
            name="key: read in full, two files at a time against one",
            value=one / both,
            unit="times",
            goal=None,
            detail=f"{size / both:.2f} GB/s against {size / one:.2f} GB/s",
        ),
    ]
