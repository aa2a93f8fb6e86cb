"""Digests of values and files, all SHA-256 in hexadecimal."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from landfall import files

CORES = min(len(os.sched_getaffinity(0)), 8)
"""Files that are read at a time, one for each core of this process: hashing lets go of the
interpreter's lock. More than eight would wait for the disk, not for a core."""

SETTLED_S = 2.0
"""A file that changed so recently may change again within the clock's own tick; its digest is not
remembered (the same is known of git's index as racy)."""


def canonical(value: object) -> bytes:
    """`value` as JSON in one form only: sorted keys, no spaces, UTF-8.

    Raises:
        TypeError: it holds something that JSON cannot.
        ValueError: it holds a number that JSON cannot (NaN, infinity).
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def of_value(value: object) -> str:
    """The digest of a JSON-able value; the order of keys does not matter."""
    return hashlib.sha256(canonical(value)).hexdigest()


def of_file(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_folder(folder: Path, *, remembered: Path | None = None) -> dict[str, str]:
    """The digest of every file below `folder`, by its path there, in order; see `of_files`."""
    found = of_files(
        sorted(path for path in folder.rglob("*") if path.is_file()), remembered=remembered
    )
    return {path.relative_to(folder).as_posix(): each for path, each in found.items()}


def of_files(paths: Iterable[Path], *, remembered: Path | None = None) -> dict[Path, str]:
    """The digest of each file, several at a time.

    With `remembered`, a file that keeps digests: what has the same inode, size and time of change
    is not read again. That is quick and trusts the file system; whoever must be certain reads
    everything, as a build and a host do.

    Raises:
        OSError: a file cannot be read.
    """
    wanted = list(paths)
    known = _known(remembered)
    marks = {path: _mark(path) for path in wanted}
    found = {
        path: known[str(path.resolve())][1]
        for path, mark in marks.items()
        if known.get(str(path.resolve()), ("", ""))[0] == mark
    }
    missing = [path for path in wanted if path not in found]
    with ThreadPoolExecutor(CORES) as pool:
        found |= dict(zip(missing, pool.map(of_file, missing), strict=True))
    if remembered is not None and missing:
        _remember(remembered, known, {path: (marks[path], found[path]) for path in missing})
    return {path: found[path] for path in wanted}


def _mark(path: Path) -> str:
    told = path.stat()
    return f"{told.st_dev}:{told.st_ino}:{told.st_size}:{told.st_mtime_ns}:{told.st_ctime_ns}"


def _known(remembered: Path | None) -> dict[str, tuple[str, str]]:
    """What was remembered; nothing where the file is missing or damaged."""
    try:
        written = json.loads(remembered.read_text()) if remembered is not None else {}
        return {path: (str(mark), str(digest)) for path, (mark, digest) in written.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _remember(
    remembered: Path, known: dict[str, tuple[str, str]], read: dict[Path, tuple[str, str]]
) -> None:
    """Keep digests of files that have come to rest, and did not change while they were read."""
    settled = time.time() - SETTLED_S
    fresh = {
        str(path.resolve()): told
        for path, told in read.items()
        if path.stat().st_ctime < settled and _mark(path) == told[0]
    }
    kept = {path: told for path, told in known.items() if Path(path).exists()}
    files.write(remembered, json.dumps({**kept, **fresh}, indent=1) + "\n")
