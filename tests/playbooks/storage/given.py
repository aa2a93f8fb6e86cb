"""A spec and facts to start from: four empty disks and an empty spare, as promised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from playbooks.plugins.module_utils.landfall_storage import journal
from playbooks.plugins.module_utils.landfall_storage.facts import (
    Disk,
    Facts,
    Journal,
    Luks,
    Md,
    Signature,
    Token,
)
from playbooks.plugins.module_utils.landfall_storage.spec import Promise, Spec, Tang

MEMBERS = ("S1", "S2", "S3", "S4")
SPARES = ("S5",)
MODEL = "FAST 960"
OURS = "0a0a0a0a-0000-4000-8000-000000000001"
LUKS = "0a0a0a0a-0000-4000-8000-000000000002"
XFS = "0a0a0a0a-0000-4000-8000-000000000003"
THEIRS = "ffffffff-0000-4000-8000-000000000009"
GB = 10**9


def spec(**changed: Any) -> Spec:
    """The spec of the host gpu-1, with changes."""
    serials = (*MEMBERS, *SPARES)
    base = Spec(
        host="gpu-1",
        name="data",
        members=MEMBERS,
        spares=SPARES,
        disks={each: Promise(serial=each, size_gb=960, model=MODEL) for each in serials},
        twice=(),
        mount="/srv/data",
        chunk_kib=512,
        bitmap="internal",
        sector_bytes=4096,
        workqueues="bypass",
        unlock="tpm2",
        pcrs=(7,),
        mount_options=("noatime",),
        argon2_memory_kib=65536,
        tang=(Tang(url="http://tang", thumbprint="x" * 43),),
        rehearsal=False,
    )
    return replace(base, **changed)


def disk(number: int, **changed: Any) -> Disk:
    """The disk S<number>, empty, with changes."""
    base = Disk(
        path=f"/dev/nvme{number}n1",
        serial=f"S{number}",
        udev_serial=f"S{number}",
        model=MODEL,
        size_bytes=960 * GB,
        readonly=False,
        signatures=(),
        md_uuid="",
        in_use=(),
        held_by=(),
    )
    return replace(base, **changed)


def facts(**changed: Any) -> Facts:
    """The facts of a host with five empty disks, with changes."""
    base = Facts(
        disks=tuple(disk(number) for number in range(1, 6)),
        others=(),
        arrays=(),
        luks=None,
        mapping="",
        filesystem=None,
        journal=None,
        key_in_memory=False,
        files={},
        modes={},
        units={},
        missing=(),
        tpm=True,
    )
    return replace(base, **changed)


def signature(text: str, path: str) -> Signature:
    """`kind uuid` on a device."""
    kind, _, uuid = text.partition(" ")
    return Signature(where=path, kind=kind, uuid=uuid)


def made(*, finished: tuple[str, ...] = journal.STEPS, begun: str = "") -> Journal:
    """The journal of our array."""
    return Journal(
        md=OURS,
        luks=LUKS,
        filesystem=XFS,
        members=MEMBERS,
        spares=SPARES,
        begun=begun,
        finished=finished,
        epoch=6,
        digests={"header.cms": "1", "recovery.cms": "2", "manifest.json": "3"},
    )


def array(**changed: Any) -> Md:
    """Our array, whole, with changes."""
    base = Md(
        name="md127",
        uuid=OURS,
        state="clean",
        level="raid10",
        wanted=4,
        degraded=0,
        chunk_kib=512,
        bitmap="internal",
        members={f"nvme{n}n1": "in_sync" if n < 5 else "spare" for n in range(1, 6)},
        action="idle",
        mismatches=0,
        held_by=(),
        in_use=(),
    )
    return replace(base, **changed)


def header(**changed: Any) -> Luks:
    """The LUKS2 header on our array, with changes."""
    base = Luks(
        uuid=LUKS,
        epoch=6,
        sector_bytes=4096,
        slots=("0", "1"),
        tokens=(
            Token(kind="landfall-recovery", slots=("0",), pcrs=()),
            Token(kind="systemd-tpm2", slots=("1",), pcrs=(7,)),
        ),
    )
    return replace(base, **changed)


def with_data(**changed: Any) -> Facts:
    """The facts of a host whose array holds data and is open, with changes."""
    ours = tuple(
        disk(
            number,
            md_uuid=OURS,
            held_by=("md127",),
            signatures=(signature(f"linux_raid_member {OURS}", f"/dev/nvme{number}n1"),),
            in_use=("mounted at /srv/data (dm-0)",),
        )
        for number in range(1, 6)
    )
    base = facts(disks=ours, arrays=(array(),), luks=header(), mapping=LUKS, journal=made())
    return replace(base, **changed)
