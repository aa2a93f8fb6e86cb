"""What a host says about its disks and about the array on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WAITS = "read-auto"
"""State of an array that was assembled and not written to yet. Debian assembles all of them so; one
that was growing when the power went does not go on, and what it reads is wrong until it does."""

RUNNING = ("enabled active", "static active")
"""States of a unit that runs, and runs again after a boot; a static one is started by others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Something that was found on a disk or on a partition of it."""

    where: str
    kind: str
    uuid: str

    def __str__(self) -> str:
        return f"{self.kind} {self.uuid}".strip() + f" on {self.where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One namespace of a disk, found by serial number.

    Attributes:
        path: /dev/... now; another after the next boot.
        udev_serial: what udev's database says; it must agree with what the kernel says.
        signatures: whatever wipefs, blkid and mdadm find, partitions included.
        md_uuid: of the array that it says it belongs to; "" where it says nothing.
        in_use: "mounted at /", "swap": why nobody may touch it; empty where nothing uses it.
        held_by: kernel names of devices that stand on it or on its partitions.
    """

    path: str
    serial: str
    udev_serial: str
    model: str
    size_bytes: int
    readonly: bool
    signatures: tuple[Signature, ...]
    md_uuid: str
    in_use: tuple[str, ...]
    held_by: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether no tool recognises anything on it."""
        return not self.signatures and not self.md_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class Md:
    """An array that the kernel has assembled.

    Attributes:
        members: state of each device in it, by kernel name: in_sync, spare, faulty...
        slots: state of each device that was once given a number; - where it is gone.
        mismatches: sectors that differed in the last scrub.
    """

    name: str
    uuid: str
    state: str
    level: str
    wanted: int
    degraded: int
    chunk_kib: int
    bitmap: str
    members: Mapping[str, str]
    action: str
    mismatches: int
    held_by: tuple[str, ...]
    in_use: tuple[str, ...]

    @property
    def path(self) -> str:
        """Its device."""
        return f"/dev/{self.name}"

    @property
    def active(self) -> bool:
        """Whether it answers reads and writes."""
        return self.state not in ("inactive", "clear", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token in a LUKS2 header: what opens a key slot. `pcrs` where it is a TPM's."""

    kind: str
    slots: tuple[str, ...]
    pcrs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Luks:
    """A LUKS2 header. `epoch` rises with every change of it."""

    uuid: str
    epoch: int
    sector_bytes: int
    slots: tuple[str, ...]
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """A file system, and where it is mounted with which options; "" where it is not.

    `whole`: it is mounted, or its own check found nothing missing. Looked at only where the power
    may have gone while it was made.
    """

    kind: str
    uuid: str
    mounted_at: str
    options: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What was begun and finished on this host; see journal.py.

    Attributes:
        md, luks, filesystem: the UUIDs that were chosen before anything was made.
        members, spares: serial numbers that the array consists of.
        begun: the step that was begun last.
        finished: the steps that are done.
        epoch: of the LUKS header that the backup holds.
        digests: SHA-256 of each escrow file, by name.
    """

    md: str
    luks: str
    filesystem: str
    members: tuple[str, ...]
    spares: tuple[str, ...]
    begun: str
    finished: tuple[str, ...]
    epoch: int
    digests: Mapping[str, str]

    def has(self, step: str) -> bool:
        """Whether the step is done."""
        return step in self.finished

    @property
    def complete(self) -> bool:
        """Whether there may be data: from then on nothing is made anew, only assembled."""
        return self.has("fill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a plan depends on.

    Attributes:
        disks: every disk with a serial number that the spec names.
        others: serial numbers of all other disks, to help who mistyped one.
        arrays: all arrays of the machine.
        luks: the header on our array, where there is one.
        mapping: the UUID of the container that is open under our name; "" where none is.
        filesystem: in the opened container.
        key_in_memory: whether the recovery key of this attempt is still in memory.
        files: the text of the files that would be written; absent where they do not exist.
        modes: the mode of each.
        units: "enabled active" and the like, by name.
        missing: programs that are not installed.
        tpm: whether the machine has a TPM 2.0.
    """

    disks: tuple[Disk, ...]
    others: tuple[str, ...]
    arrays: tuple[Md, ...]
    luks: Luks | None
    mapping: str
    filesystem: Filesystem | None
    journal: Journal | None
    key_in_memory: bool
    files: Mapping[str, str]
    modes: Mapping[str, int]
    units: Mapping[str, str]
    missing: tuple[str, ...]
    tpm: bool

    def disk(self, serial: str) -> Disk | None:
        """The one disk with this serial number; None where there is none, or more than one."""
        found = [each for each in self.disks if each.serial == serial]
        return found[0] if len(found) == 1 else None

    def array(self, uuid: str) -> Md | None:
        """The assembled array with this UUID."""
        return next((each for each in self.arrays if uuid and each.uuid == uuid), None)
