"""Reads what a host says about its disks and its array; changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from . import config, journal
from .facts import Disk, Facts, Filesystem, Journal, Luks, Md, Signature, Token
from .spec import Spec

Run = Callable[[Sequence[str]], tuple[int, str, str]]
"""Runs a program and returns its code, its output and its errors."""

PROGRAMS = {
    "mdadm": "mdadm",
    "cryptsetup": "cryptsetup-bin",
    "mkfs.xfs": "xfsprogs",
    "wipefs": "util-linux",
    "blkid": "util-linux",
    "openssl": "openssl",
}
"""What the role needs on a host, and the Debian package that has it."""

UNLOCKERS = {"tpm2": {"systemd-cryptenroll": "systemd"}, "tang": {"clevis": "clevis-luks"}}

SECTOR = 512
"""sysfs counts sizes in sectors of this many bytes, whatever the disk's own are."""

RAID = "linux_raid_member"
AMBIVALENT = 8
"""blkid's code where it sees more than one thing; 2 where it sees none."""

SYS = Path("/sys/class/block")


def gather(
    run: Run,
    spec: Spec,
    *,
    paths: Iterable[str] = (),
    units: Iterable[str] = (),
    more: Iterable[str] = (),
) -> Facts:
    """Everything that a plan for `spec` depends on.

    `paths` and `units` are the files and units that would be written and started, `more` are
    serial numbers of disks that the spec does not name.

    Raises:
        ValueError: the journal cannot be read.
    """
    written = journal.read(spec.name)
    looked_at = {*spec.serials, *more}
    wholes = [_name for _name in sorted(os.listdir(SYS)) if _whole(_name)]
    serials = {name: _serial(run, name) for name in wholes}
    arrays = tuple(_array(name) for name in wholes if (SYS / name / "md").is_dir())
    ours = next((a for a in arrays if written is not None and a.uuid == written.md), None)
    header = luks(run, ours.path) if ours is not None and ours.active else None
    mapping = _mapping(spec.name)
    names = [*config.places(spec), *paths]
    running = {array.uuid for array in arrays}
    return Facts(
        disks=tuple(
            _disk(run, name, serial, running)
            for name, serial in serials.items()
            if serial in looked_at
        ),
        others=tuple(sorted(s for s in serials.values() if s and s not in spec.serials)),
        arrays=arrays,
        luks=header,
        mapping=mapping,
        filesystem=_filesystem(run, spec, written) if mapping else None,
        journal=written,
        key_in_memory=Path(journal.MEMORY, f"{spec.name}.key").exists(),
        files={name: Path(name).read_text("utf-8") for name in names if Path(name).is_file()},
        modes={name: os.stat(name).st_mode & 0o7777 for name in names if Path(name).is_file()},
        units=unit_states(run, list(units)),
        missing=missing(spec),
        tpm=Path("/sys/class/tpm/tpm0/tpm_version_major").exists() and _tpm_two(),
    )


def missing(spec: Spec) -> tuple[str, ...]:
    """The packages without which the work cannot be done."""
    needed = {**PROGRAMS, **UNLOCKERS.get(spec.unlock, {})}
    return tuple(
        sorted({package for program, package in needed.items() if shutil.which(program) is None})
    )


def _tpm_two() -> bool:
    return _text(Path("/sys/class/tpm/tpm0/tpm_version_major")) == "2"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _whole(name: str) -> bool:
    """Whether this is a whole device: no partition, no loop or RAM disk, no hidden path."""
    folder = SYS / name
    return (
        not (folder / "partition").exists()
        and not name.startswith(("loop", "ram", "zram", "dm-", "sr", "fd"))
        and _text(folder / "hidden") != "1"
    )


def _serial(run: Run, name: str) -> str:
    """The serial number as the kernel says it; SATA disks are known to udev alone."""
    if name.startswith("md"):
        return ""
    for place in ("device/serial", "serial"):
        found = _text(SYS / name / place)
        if found:
            return found
    return _udev(run, name).get("ID_SERIAL_SHORT", "")


def _udev(run: Run, name: str) -> dict[str, str]:
    code, out, _ = run(["udevadm", "info", "--query=property", f"--name=/dev/{name}"])
    return _pairs(out) if code == 0 else {}


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _disk(run: Run, name: str, serial: str, running: set[str]) -> Disk:
    parts = [each for each in sorted(os.listdir(SYS / name)) if (SYS / each / "partition").exists()]
    udev = _udev(run, name)
    used, held = _uses([name, *parts])
    found = tuple(each for part in [name, *parts] for each in signatures(run, part, running))
    return Disk(
        path=f"/dev/{name}",
        serial=serial,
        udev_serial=udev.get("ID_SERIAL_SHORT", ""),
        model=_text(SYS / name / "device/model") or udev.get("ID_MODEL", ""),
        size_bytes=int(_text(SYS / name / "size") or 0) * SECTOR,
        readonly=_text(SYS / name / "ro") == "1",
        signatures=found,
        md_uuid=_member_of(found, f"/dev/{name}", running) or _examine(run, name),
        in_use=used,
        held_by=held,
    )


def signatures(run: Run, name: str, running: set[str]) -> list[Signature]:
    """What wipefs sees, and what blkid sees besides: neither knows everything.

    A member of an array that runs is known for what it is, and not looked at a second time.
    """
    path = f"/dev/{name}"
    code, out, error = run(["wipefs", "--no-act", "--json", path])
    if code != 0:
        return [Signature(where=path, kind=f"unreadable ({error.strip()})", uuid="")]
    listed = json.loads(out).get("signatures", []) if out.strip() else []
    found = [
        Signature(where=path, kind=each.get("type") or "?", uuid=each.get("uuid") or "")
        for each in listed
    ]
    if len(found) == 1 and _member_of(found, path, running):
        return found
    code, out, _ = run(["blkid", "--probe", "--output", "export", path])
    if code == AMBIVALENT:
        found.append(Signature(where=path, kind="more than one signature", uuid=""))
    elif code == 0 and not found:
        said = _pairs(out)
        kind = said.get("TYPE") or said.get("PTTYPE") or ""
        if kind:
            found.append(Signature(where=path, kind=kind, uuid=said.get("UUID", "")))
    return found


def _member_of(found: Iterable[Signature], path: str, running: set[str]) -> str:
    """The array that runs and to which a device says it belongs."""
    raid = (each.uuid for each in found if (each.kind, each.where) == (RAID, path))
    return next((uuid for uuid in raid if uuid in running), "")


def _examine(run: Run, name: str) -> str:
    """The array to which mdadm says that a device belongs."""
    if shutil.which("mdadm") is None:
        return ""
    code, out, _ = run(["mdadm", "--examine", "--export", f"/dev/{name}"])
    return config.dashes(_pairs(out).get("MD_UUID", "")) if code == 0 else ""


def _uses(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Mounts and swap on these devices or on anything above them; and what holds them."""
    held, above, todo = [], set(names), list(names)
    while todo:
        current = todo.pop()
        for holder in sorted(_holders(current)):
            if current in names:
                held.append(holder)
            if holder not in above:
                above.add(holder)
                todo.append(holder)
                todo += [p for p in os.listdir(SYS / holder) if (SYS / p / "partition").exists()]
    mounts, swaps = _mounts(), _swaps()
    used = [f"mounted at {at} ({name})" for name in sorted(above) for at in mounts.get(name, ())]
    used += [f"swap ({name})" for name in sorted(above) if name in swaps]
    return tuple(used), tuple(dict.fromkeys(held))


def _holders(name: str) -> list[str]:
    try:
        return os.listdir(SYS / name / "holders")
    except OSError:
        return []


def _mounts() -> dict[str, list[str]]:
    """Where each block device is mounted, by kernel name."""
    found: dict[str, list[str]] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        source = words[words.index("-") + 2]
        name = _kernel_name(source) or _by_number(words[2])
        if name:
            found.setdefault(name, []).append(words[4])
    return found


def _swaps() -> set[str]:
    lines = Path("/proc/swaps").read_text().splitlines()[1:]
    return {_kernel_name(line.split()[0]) for line in lines}


def _kernel_name(path: str) -> str:
    real = os.path.realpath(path)
    try:
        return os.path.basename(real) if stat.S_ISBLK(os.stat(real).st_mode) else ""
    except OSError:
        return ""


def _by_number(number: str) -> str:
    link = Path("/sys/dev/block") / number
    return link.resolve().name if link.exists() else ""


def _array(name: str) -> Md:
    folder = SYS / name / "md"
    used, held = _uses([name])
    states = {
        each.name.removeprefix("dev-"): _text(each / "state") for each in folder.glob("dev-*")
    }
    return Md(
        name=name,
        uuid=_text(folder / "uuid"),
        state=_text(folder / "array_state"),
        level=_text(folder / "level"),
        wanted=int((_text(folder / "raid_disks") or "0").split()[0]),
        degraded=int(_text(folder / "degraded") or 0),
        chunk_kib=int((_text(folder / "chunk_size") or "0").split()[0]) // 1024,
        bitmap="none" if _text(folder / "bitmap/location") in ("", "none") else "internal",
        members=states,
        action=_text(folder / "sync_action"),
        mismatches=int(_text(folder / "mismatch_cnt") or 0),
        held_by=held,
        in_use=used,
    )


def luks(run: Run, device: str) -> Luks | None:
    """The LUKS2 header on a device; None where there is none."""
    if shutil.which("cryptsetup") is None:
        return None
    code, out, _ = run(["cryptsetup", "luksDump", device])
    if code != 0:
        return None
    lines = [line.partition(":") for line in out.splitlines()]
    plain = {key: value.strip() for key, _, value in lines}  # what belongs to a slot is indented
    uuid, epoch = plain.get("UUID", ""), int(plain.get("Epoch") or 0)
    code, out, _ = run(["cryptsetup", "luksDump", "--dump-json-metadata", device])
    if code != 0:
        return Luks(uuid=uuid, epoch=0, sector_bytes=0, slots=(), tokens=())
    said = json.loads(out)
    segment: dict[str, Any] = next(iter(said.get("segments", {}).values()), {})
    return Luks(
        uuid=uuid,
        epoch=epoch,
        sector_bytes=int(segment.get("sector_size", 0)),
        slots=tuple(sorted(said.get("keyslots", {}))),
        tokens=tuple(
            Token(
                kind=each.get("type", ""),
                slots=tuple(each.get("keyslots", ())),
                pcrs=tuple(each.get("tpm2-pcrs", ())),
            )
            for each in said.get("tokens", {}).values()
        ),
    )


def _mapping(name: str) -> str:
    for folder in Path("/sys/class/block").glob("dm-*/dm"):
        if _text(folder / "name") == name:
            kind = _text(folder / "uuid").split("-")
            return config.dashes(kind[2]) if kind[:2] == ["CRYPT", "LUKS2"] else "other"
    return ""


def _filesystem(run: Run, spec: Spec, written: Journal | None) -> Filesystem | None:
    code, out, _ = run(["blkid", "--probe", "--output", "export", spec.mapped])
    said = _pairs(out) if code == 0 else {}
    kind = said.get("TYPE", "") or ("unclear" if code == AMBIVALENT else "")
    if not kind:
        return None
    name = _kernel_name(spec.mapped)
    at, options = "", tuple[str, ...]()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if _kernel_name(words[words.index("-") + 2]) == name:
            at, options = words[4], tuple(words[5].split(","))
    doubtful = written is not None and written.begun == "fill" and not at
    whole = not doubtful or run(["xfs_repair", "-n", spec.mapped])[0] == 0
    uuid = said.get("UUID", "")
    return Filesystem(kind=kind, uuid=uuid, mounted_at=at, options=options, whole=whole)


def unit_states(run: Run, names: list[str]) -> dict[str, str]:
    """Whether units are enabled and active, as `enabled active`, asked for in one call."""
    if not names:
        return {}
    shown = ["systemctl", "show", "--property=UnitFileState,ActiveState", *names]
    blocks = [_pairs(block) for block in run(shown)[1].split("\n\n")]
    found = dict(zip(names, blocks, strict=False))
    return {
        name: f"{said.get('UnitFileState', '')} {said.get('ActiveState', '')}".strip()
        for name, said in found.items()
    }
