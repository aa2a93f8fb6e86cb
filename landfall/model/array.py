"""NVMe disks of one host, as one array: md RAID 10, LUKS2 and XFS, declared by serial number."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from landfall.model.parsing import Written

LEAST = 4
"""RAID 10 of fewer disks than this is a mirror."""


Option = Annotated[str, Field(pattern=r"^[\w.=:%-]+$")]
"""One option of mount(8): a blank or a comma would become another field of fstab."""


class Unlock(StrEnum):
    """What opens the array at boot, besides the recovery key in escrow.

    A key file lies on the root disk beside what it protects: for rehearsals only.
    """

    TPM2 = "tpm2"
    TANG = "tang"
    KEY_FILE = "key_file"


class Workqueues(StrEnum):
    """Whether dm-crypt queues requests to worker threads, or works in the caller's context.

    `bypass` is `no-read-workqueue,no-write-workqueue` of crypttab(5), Linux 5.9 or newer; it is
    faster on most NVMe and slower on some, so the bench measures both.
    """

    BYPASS = "bypass"
    KERNEL = "kernel"


class Array(Written):
    """The array of one host.

    Attributes:
        name: of the md device, /dev/md/<name>, of the mapping and of the file system's label.
        members: serial numbers of the disks in it, an even number and at least four.
        spares: serial numbers of disks that wait to replace one.
        mount: where it is mounted.
        chunk_kib: of the stripes; 512 is mdadm's default.
        bitmap: a write-intent bitmap, so that a pulled disk is not rebuilt from its start.
        sector_bytes: of LUKS2; 4096 where the disks have such sectors or none smaller matter.
        workqueues: of dm-crypt.
        unlock: what opens it at boot.
        pcrs: the TPM's registers that must be as they were when it was sealed (unlock tpm2).
        mount_options: besides those that every mount gets.
        scrub: when the array is compared with itself, as systemd's OnCalendar.
        argon2_memory_kib: the cost of a guess at a key, at most what the machine can spare.
    """

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9]{0,11}$")] = "data"
    members: Annotated[tuple[str, ...], Field(min_length=LEAST)]
    spares: tuple[str, ...] = ()
    mount: Annotated[str, Field(pattern=r"^(/[a-z0-9][a-z0-9_.-]*)+$")] = "/srv/data"
    chunk_kib: Literal[64, 128, 256, 512, 1024] = 512
    bitmap: Literal["internal", "none"] = "internal"
    sector_bytes: Literal[512, 4096] = 4096
    workqueues: Workqueues = Workqueues.BYPASS
    unlock: Unlock = Unlock.TPM2
    pcrs: tuple[Annotated[int, Field(ge=0, le=23)], ...] = (7,)
    mount_options: tuple[Option, ...] = ("noatime",)
    scrub: Annotated[str, Field(pattern=r"^[\w*,.:/~ -]{3,80}$")] = "Sun *-*-* 02:30:00"
    argon2_memory_kib: Annotated[int, Field(ge=32768, le=4194304)] = 1048576

    @model_validator(mode="after")
    def _even(self) -> Array:
        if len(self.members) % 2:
            raise ValueError(f"members: {len(self.members)} disks; RAID 10 here takes pairs")
        every = [*self.members, *self.spares]
        twice = sorted({serial for serial in every if every.count(serial) > 1})
        if twice:
            raise ValueError(f"members: {', '.join(twice)} named more than once")
        return self
