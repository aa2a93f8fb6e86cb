"""Which disks may be touched at all: the rungs that come before anything is made or wiped.

1 a disk is known by its serial number alone, and that must lead to one real device;
2 its size and model are what the inventory promises, and every disk is there;
3 nothing uses it: no mount, no swap, nothing that stands on it;
4 nothing is on it that any tool recognises;
5 or a person has confirmed, for this host and for exactly these contents, that it may go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from .facts import Disk, Facts, Journal, Md
from .spec import Spec

TOLERANCE_GB, TOLERANCE = 0.5, 0.01
"""The inventory rounds to whole GB, and makers differ by less than a percent."""

CONFIRMATION_LENGTH = 12
"""Hexadecimal digits: short enough to copy, long enough that none fits by chance."""

NAMED_AT_MOST = 8

DEGRADED = "; the array has to do without it. docs/disks.md says how to replace it"


def identity(spec: Spec, facts: Facts, journal: Journal | None) -> Iterator[str]:
    """Rungs 1 and 2: every serial number leads to one device, and it is what was promised."""
    for serial in spec.twice:
        yield f"disks: {serial} is promised more than once"
    both = sorted(set(spec.members) & set(spec.spares))
    twice = sorted({each for each in spec.members if spec.members.count(each) > 1})
    for serial in [*both, *twice]:
        yield f"array.members: {serial} is named more than once"
    for serial in dict.fromkeys(spec.serials):
        field = "array.members" if serial in spec.members else "array.spares"
        yield from one_device(spec, facts, serial, field, journal)


def one_device(
    spec: Spec, facts: Facts, serial: str, field: str, journal: Journal | None
) -> Iterator[str]:
    """Rungs 1 and 2 for one disk."""
    promise = spec.disks.get(serial)
    found = [each for each in facts.disks if each.serial == serial]
    if promise is None:
        yield f"{field}: {serial} is not among the host's disks"
    if not found:
        gone = DEGRADED if journal is not None and journal.complete else _near(facts)
        yield f"{field}: no disk has the serial number {serial}{gone}"
        return
    if len(found) > 1:
        paths = ", ".join(sorted(each.path for each in found))
        yield (
            f"{field}: {serial} is the serial number of {paths}; a disk must have one of its own, "
            "and one namespace"
        )
        return
    disk = found[0]
    if disk.udev_serial and disk.udev_serial != serial:
        yield f"{field}: {disk.path} says {serial} to the kernel but {disk.udev_serial} to udev"
    if disk.readonly:
        yield f"{field}: {serial} ({disk.path}) is read-only"
    if promise is not None:
        yield from _as_promised(disk, promise.size_gb, promise.model, field)


def _as_promised(disk: Disk, size_gb: float, model: str, field: str) -> Iterator[str]:
    gb = disk.size_bytes / 1e9
    if abs(gb - size_gb) > TOLERANCE_GB + TOLERANCE * size_gb:
        yield f"{field}: {disk.serial} has {gb:.1f} GB, the inventory promises {size_gb:g}"
    if model and disk.model != model:
        yield f"{field}: {disk.serial} is a {disk.model}, the inventory promises a {model}"


def _near(facts: Facts) -> str:
    if not facts.others:
        return ""
    shown = ", ".join(facts.others[:NAMED_AT_MOST])
    return f"; other disks here: {shown}"


def in_use(facts: Facts, serials: Iterable[str]) -> Iterator[str]:
    """Rung 3: why disks may not be touched whatever is confirmed."""
    for serial in serials:
        disk = facts.disk(serial)
        if disk is None:
            continue
        for use in disk.in_use:
            yield f"{serial} ({disk.path}) is in use: {use}"
        for holder in disk.held_by:
            if idle(facts, holder) is None and not disk.in_use:
                yield f"{serial} ({disk.path}) is held by {holder}; stop that first"


def idle(facts: Facts, name: str) -> Md | None:
    """The array with this kernel name, if nothing stands on it: udev assembles what it finds."""
    found = next((each for each in facts.arrays if each.name == name), None)
    return found if found is not None and not found.held_by and not found.in_use else None


def contents(facts: Facts, serials: Iterable[str], ours: str = "") -> list[Disk]:
    """Rung 4: the disks on which something is that does not belong to the array `ours`."""
    found = (facts.disk(serial) for serial in serials)
    return [
        disk
        for disk in found
        if disk is not None and not disk.empty and not (ours and disk.md_uuid == ours)
    ]


def confirmation(spec: Spec, facts: Facts, serials: Iterable[str]) -> str:
    """Rung 5: what a person must give so that exactly this is wiped, on exactly this host."""
    lines = []
    for serial in sorted(serials):
        disk = facts.disk(serial)
        signs = sorted(map(str, _place_free(disk))) if disk else ["absent"]
        lines.append(f"{serial} {' | '.join(signs)}\n")
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return f"{spec.host}:{digest[:CONFIRMATION_LENGTH]}"


def _place_free(disk: Disk) -> Iterator[str]:
    """What is on a disk, without the device names that change from boot to boot."""
    for each in disk.signatures:
        place = each.where.removeprefix(disk.path) if disk.path else each.where
        yield f"{each.kind} {each.uuid} {place}"
    if disk.md_uuid:
        yield f"array {disk.md_uuid}"


def lost(disks: Iterable[Disk]) -> list[str]:
    """What a wipe would destroy, one line for each disk."""
    return [f"{disk.serial} ({disk.path}): {', '.join(describe(disk))}" for disk in disks]


def describe(disk: Disk) -> list[str]:
    """What is on a disk, in words."""
    found = [str(each) for each in disk.signatures]
    return found or ([f"member of the array {disk.md_uuid}"] if disk.md_uuid else ["nothing"])


def refusal(spec: Spec, facts: Facts, occupied: list[Disk]) -> list[str]:
    """What to say where disks are not empty: what is there, and what to type to lose it."""
    wanted = confirmation(spec, facts, spec.serials)
    return [
        "disks are not empty, and what is on them was not made by this role:",
        *(f"  {line}" for line in lost(occupied)),
        "nothing was changed. If all of that may be lost for ever, give this, for this host alone:",
        f"  --tags wipe --limit {spec.host} --extra-vars storage_wipe_confirm={wanted}",
    ]
