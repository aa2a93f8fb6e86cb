"""How long the digests of a large model take: remembered, and read in full on one core and all."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from bench.timing import timed
from engines import digest

GIB = 2**30
FILES, EACH = 2, 5 * GIB
"""Two files of 5 GiB without content: reading them costs no disk, only hashing."""
SHORT = GIB // 2
"""Of each file in a round of the comparison, so that rounds can take turns often."""
ROUNDS = 6
"""Others use the machine, too: what is compared takes turns, and the median round counts."""

GOAL_MS = 50.0


def measure() -> list[Figure]:
    """The unchanged model, and what is read in full on one core and on all of them."""
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as name:
        folder = Path(name)
        return [_unchanged(folder / "whole"), _cores(folder / "short")]


def _unchanged(folder: Path) -> Figure:
    paths = _files(folder, EACH)
    remembered = folder.parent / "digests.json"
    time.sleep(digest.SETTLED_S + 0.5)
    digest.of_files(paths, remembered=remembered)
    again = min(timed(lambda: digest.of_files(paths, remembered=remembered)) for _ in range(5))
    return Figure(
        name="key: digests of an unchanged model of 10 GiB",
        value=again * 1000,
        unit="ms",
        goal=GOAL_MS,
    )


def _cores(folder: Path) -> Figure:
    paths = _files(folder, SHORT)
    size = FILES * SHORT / 1e9
    pairs = [
        (
            timed(lambda: [digest.of_file(path) for path in paths]),
            timed(lambda: digest.of_files(paths)),
        )
        for _ in range(ROUNDS)
    ]
    one, both = (statistics.median(each) for each in zip(*pairs, strict=True))
    load = os.getloadavg()[0]
    return Figure(
        name=f"key: read in full, {digest.CORES} cores against one",
        value=statistics.median(slow / quick for slow, quick in pairs),
        unit="times",
        goal=None,
        detail=f"{size / both:.2f} GB/s against {size / one:.2f} GB/s, load average {load:.1f}",
    )


def _files(folder: Path, size: int) -> list[Path]:
    folder.mkdir()
    paths = [folder / f"model-{number}.safetensors" for number in range(FILES)]
    for path in paths:
        with path.open("wb") as stream:
            stream.truncate(size)
    return paths
