"""Writing whole or not at all, also where the power fails."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MODE = 0o644


def write(path: Path, text: str, *, mode: int = MODE) -> None:
    """Put `text` into the file `path`, whose folder is made if it is not there.

    A reader sees what was there before or all of `text`, also where this process is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
            sink.write(text)
        partial.chmod(mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def flush(folder: Path) -> None:
    """Bring every byte below `folder` to the disk, so that a rename never names empty files."""
    for path in [*folder.rglob("*"), folder]:
        flush_one(path)


def flush_one(path: Path) -> None:
    """Bring one file, or the names in one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
