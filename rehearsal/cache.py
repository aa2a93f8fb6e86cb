"""Folders that are made once and kept: complete under their name, or not there at all."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from landfall.errors import Busy


def digest(*parts: object) -> str:
    """A short name for what a folder is made from: 16 hexadecimal digits."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def once(final: Path, build: Callable[[Path], None]) -> Path:
    """The folder `final`, made by `build` if it is not there yet.

    `build` gets an empty folder beside it, which is renamed when it is complete: a build that is
    killed leaves no half folder under the final name, and the next call removes its remains. Two
    processes that ask for the same folder wait for each other.
    """
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(final.with_name(f"{final.name}.lock")):
        if final.is_dir():
            return final
        for remains in final.parent.glob(f"{final.name}.part-*"):
            remove(remains)
        part = final.with_name(f"{final.name}.part-{uuid.uuid4().hex[:8]}")
        part.mkdir()
        try:
            build(part)
        except BaseException:
            remove(part)
            raise
        part.rename(final)
    return final


def remove(folder: Path) -> None:
    """Remove a folder tree, unless something is mounted in it.

    Raises:
        Busy: a file system is mounted below `folder`; its contents may not be ours to delete.
    """
    mounted = mounts_below(folder)
    if mounted:
        raise Busy(
            f"{folder} cannot be removed: {', '.join(map(str, mounted))} is mounted in it",
            hint="Unmount it, then try again.",
        )
    shutil.rmtree(folder, ignore_errors=True)


def mounts_below(folder: Path) -> list[Path]:
    """Mount points at or below `folder`, as this process sees them."""
    base = folder.resolve()
    points = [
        Path(line.split()[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return [point for point in points if point == base or base in point.parents]
