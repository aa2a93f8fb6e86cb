"""Replacing a disk of an array that holds data, and making it larger: pure plans."""

from __future__ import annotations

from collections.abc import Iterator

from . import config, ladder
from .facts import WAITS, Disk, Facts, Journal, Md
from .plan import MAKE, Plan, Step
from .spec import Spec


def replace(spec: Spec, facts: Facts, *, old: str, new: str) -> Plan:
    """Put the disk `new` in the place of `old`; the inventory names `new` already."""
    found, array = facts.journal, _array(facts)
    if found is None or array is None:
        return Plan(problems=("no array of this role runs here",), journal=found)
    problems = tuple(_may_replace(spec, facts, found, array, old, new))
    if problems:
        return Plan(problems=problems, journal=found)
    return Plan(steps=tuple(_replace(facts, array, old, new)), journal=found)


def _array(facts: Facts) -> Md | None:
    found = facts.journal
    array = facts.array(found.md) if found is not None and found.complete else None
    return array if array is not None and array.active else None


def _may_replace(
    spec: Spec, facts: Facts, found: Journal, array: Md, old: str, new: str
) -> Iterator[str]:
    known = {*found.members, *found.spares}
    if old == new:
        yield f"storage_failed and storage_new are both {old}"
    if old in spec.serials:
        yield f"host_vars: {old} still stands in the array; put {new} in its place first"
    if new not in spec.serials:
        yield f"host_vars: {new} does not stand in the array yet; put it in the place of {old}"
    if old not in known and new not in known:
        listed = ", ".join(sorted(known))
        yield f"storage_failed: {old} is not in the array, which has {listed}"
    wanted = (known - {old}) | {new}
    if set(spec.serials) != wanted and not problems_named(spec, old, new):
        more = ", ".join(sorted(set(spec.serials) ^ wanted))
        yield f"host_vars: {more} changed as well; replace one disk at a time"
    yield from ladder.one_device(spec, facts, new, "storage_new", None)
    disk = facts.disk(new)
    if disk is not None and disk.md_uuid != found.md:
        yield from _fit(facts, array, disk)


def problems_named(spec: Spec, old: str, new: str) -> bool:
    """Whether the inventory is so wrong that a second message would only repeat the first."""
    return old in spec.serials or new not in spec.serials


def _fit(facts: Facts, array: Md, disk: Disk) -> Iterator[str]:
    """Why a disk cannot come into the array."""
    yield from ladder.in_use(facts, [disk.serial])
    if not disk.empty:
        there = ", ".join(ladder.describe(disk))
        yield f"{disk.serial} ({disk.path}) is not empty: {there}; docs/disks.md, `Wiping`"
    members = [each for each in facts.disks if each.path.removeprefix("/dev/") in array.members]
    least = min((each.size_bytes for each in members), default=0)
    if disk.size_bytes < least:
        yield f"{disk.serial} has {disk.size_bytes} bytes, the others have {least}"


def _replace(facts: Facts, array: Md, old: str, new: str) -> Iterator[Step]:
    gone = facts.disk(old)
    slot = gone.path.removeprefix("/dev/") if gone is not None else ""
    state = array.members.get(slot, "").split(",")
    yield from _clear(array, slot if "faulty" in state else "")
    disk = facts.disk(new)
    if disk is not None and disk.path.removeprefix("/dev/") not in array.members:
        healthy = slot in array.members and "faulty" not in state
        commands: list[tuple[str, ...]] = [("mdadm", "--manage", array.path, "--add", disk.path)]
        if healthy:
            source = gone.path if gone else ""
            swap = ("--replace", source, "--with", disk.path)
            commands.append(("mdadm", "--manage", array.path, *swap))
        how = "copied from it, which stays until then" if healthy else "rebuilt from its mirror"
        yield Step(
            name=f"Put {new} in the place of {old}",
            change=f"{array.path}: {new} is {how}",
            phase=MAKE,
            commands=tuple(commands),
            special="members",
        )
    elif facts.journal is not None and new not in {*facts.journal.members, *facts.journal.spares}:
        yield Step(
            name=f"Note that {new} stands in the place of {old}",
            change=f"{array.path}: {new} is in it already",
            phase=MAKE,
            special="members",
        )


def _clear(array: Md, failed: str) -> Iterator[Step]:
    """Let go of what has failed, so that its place is free."""
    faulty = [name for name, state in array.members.items() if "faulty" in state.split(",")]
    for name in sorted({*faulty, failed} - {""}):
        yield Step(
            name=f"Let go of {name}",
            change=f"{array.path}: {name} has failed",
            phase=MAKE,
            commands=(("mdadm", "--manage", array.path, "--remove", f"/dev/{name}"),),
        )


def grow(spec: Spec, facts: Facts) -> Plan:
    """Take more disks into the array: pairs that the inventory names and the array lacks."""
    found, array = facts.journal, _array(facts)
    if found is None or array is None:
        return Plan(problems=("no array of this role runs here",), journal=found)
    known = {*found.members, *found.spares}
    added = [serial for serial in spec.members if serial not in known]
    problems = [*_may_grow(spec, facts, found, array)]
    if problems:
        return Plan(problems=tuple(problems), journal=found)
    waiting = [each for each in map(facts.disk, spec.members) if each and not each.md_uuid]
    steps = []
    if waiting or array.wanted != len(spec.members):
        add = tuple(("mdadm", "--manage", array.path, "--add", disk.path) for disk in waiting)
        reshape = ("mdadm", "--grow", array.path, f"--raid-devices={len(spec.members)}")
        steps.append(
            Step(
                name=f"Grow the array to {len(spec.members)} disks",
                change=f"{array.path}: {', '.join(added) or 'the disks that wait'} come in",
                phase=MAKE,
                commands=(*add, reshape),
                special="members",
            )
        )
    elif array.state == WAITS:
        steps.append(
            Step(
                name="Let the array go on",
                change=f"{array.path}: it waits for a first write since the power went",
                phase=MAKE,
                commands=(("mdadm", "--readwrite", array.path),),
            )
        )
    return Plan(steps=tuple(steps), journal=found)


def _may_grow(spec: Spec, facts: Facts, found: Journal, array: Md) -> Iterator[str]:
    yield from ladder.identity(spec, facts, found)
    gone = sorted(set(found.members) - set(spec.members))
    if gone:
        yield f"array.members: {', '.join(gone)} are missing; replace-disk.yml comes first"
    if array.degraded:
        yield f"{array.path}: runs without {array.degraded} of its disks; replace them first"
    # What an interrupted run has begun is no problem: there is only its end to wait for.
    begun = array.action == "reshape" and array.wanted == len(spec.members)
    if array.action not in ("idle", "") and not begun:
        yield f"{array.path}: {array.action} is running; wait for its end"
    if len(spec.members) < array.wanted:
        yield f"array.members: {len(spec.members)} of {array.wanted}; an array is not made smaller"
    for disk in map(facts.disk, spec.members):
        if disk is not None and disk.md_uuid != found.md:
            yield from _fit(facts, array, disk)


def extend(spec: Spec) -> tuple[Step, ...]:
    """Let container and file system fill an array that has grown. The mount goes for a moment."""
    unit = config.mount_unit(spec.mount)
    return (
        Step(
            name="Let the file system fill the array",
            change=f"{spec.mapped} is opened anew, and {spec.mount} grows",
            phase=MAKE,
            commands=(
                ("systemctl", "stop", unit),
                ("udevadm", "trigger", "--settle", spec.device),
                ("systemctl", "restart", f"systemd-cryptsetup@{spec.name}.service"),
                ("systemctl", "start", unit),
                ("xfs_growfs", spec.mount),
            ),
        ),
    )
