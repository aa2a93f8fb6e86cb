"""The disks behind a server: copy-on-write files, or files behind a volatile write cache.

A drive's cache is nbdkit's: it holds what was written until the server flushes, in a file without
a name that dies with the process. To kill it is to cut the drive's power.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import Unreachable
from rehearsal.virtual.hardware import Disk, Hardware
from rehearsal.virtual.machine import Places

START_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """The volatile cache before one disk: its socket, and the process that is the cache."""

    socket: Path
    record: Path


def make_root(hardware: Hardware, places: Places, backing: Path, backing_format: str) -> None:
    """The root disk over `backing`, if there is none yet: what was written to it stays."""
    if hardware.volatile_caches:
        copy_once(backing, places.root.with_suffix(".raw"))
    elif not places.root.exists():
        create: list[str | Path] = ["qemu-img", "create", "-q", "-f", "qcow2"]
        _place(places.root, [*create, "-F", backing_format, "-b", backing])


def make_disk(hardware: Hardware, places: Places, disk: Disk) -> None:
    """An NVMe disk's file, empty, if there is none yet."""
    path = places.disk(disk, volatile=hardware.volatile_caches)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    if hardware.volatile_caches:
        with path.open("wb") as empty:
            empty.truncate(disk.size_mib * 1024**2)
    else:
        create = ["qemu-img", "create", "-q", "-f", "qcow2"]
        process.run([*create, path, f"{disk.size_mib}M"], what="qemu-img create")


def copy_once(source: Path, final: Path) -> None:
    """Copy a file with its holes, unless the copy is there already."""
    if not final.exists():
        _place(final, ["cp", "--sparse=always", source])


def start_cache(places: Places, name: str, file: Path, record: Path) -> Cache:
    """Put a volatile write cache before `file`.

    Raises:
        Unreachable: it did not start; the message quotes its log.
    """
    socket = places.cache(name)
    if process.recorded(record) is None:
        socket.unlink(missing_ok=True)
        nbdkit = ["nbdkit", "--foreground", "--unix", socket, "--filter=cache", "file", file]
        # no upper bound of the cache: it would write out what the server has not flushed
        daemon = process.spawn(
            [*map(str, nbdkit), "cache=writeback"],
            name=f"cache of {name}",
            record=record,
            log=places.folder / "caches.log",
            env={"TMPDIR": str(places.folder)},
        )
        process.wait_until(lambda: socket.exists() or not daemon.alive(), timeout_s=START_TIMEOUT_S)
        if not socket.exists():
            raise Unreachable(f"the write cache of {name} did not start\n{daemon.tail()}")
    return Cache(socket=socket, record=record)


def files_of(hardware: Hardware, places: Places, disks: Iterable[Disk]) -> dict[str, Path]:
    """The name and file of each disk that gets a volatile cache, the root disk first."""
    if not hardware.volatile_caches:
        return {}
    found = {"root": places.root.with_suffix(".raw")}
    return found | {disk.name: places.disk(disk, volatile=True) for disk in disks}


def _place(final: Path, command: list[str | Path]) -> None:
    """Make a file under another name first, so that a killed copy is not taken for a disk."""
    partial = final.with_name(f".{final.name}.part")
    partial.unlink(missing_ok=True)
    process.run([*command, partial], what=str(command[0]))
    partial.replace(final)
