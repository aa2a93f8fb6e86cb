"""What of an array is not as promised, after everything was done: a pure comparison."""

from __future__ import annotations

from collections.abc import Iterator

from . import config
from .facts import RUNNING, Facts, Journal, Md
from .refuse import unlocks
from .spec import Spec

WELL = {"in_sync", "spare"}
"""States of a disk in an array that is as it should be; a rebuilding one is a spare until then."""


def problems(spec: Spec, facts: Facts, units: tuple[str, ...]) -> Iterator[str]:
    """Every difference as one line: what is promised, and what is there."""
    found = facts.journal
    if found is None or not found.complete or not found.has("verified"):
        yield "the array is not finished; run the playbook again"
        return
    array = facts.array(found.md)
    if array is None or not array.active:
        yield f"{spec.device}: the array does not run"
        return
    yield from _members(spec, facts, array)
    yield from _container(spec, facts, found)
    yield from _mounted(spec, facts)
    yield from (
        f"{name}: {facts.units.get(name) or 'unknown'}, not enabled and active"
        for name in units
        if facts.units.get(name) not in RUNNING
    )


def _members(spec: Spec, facts: Facts, array: Md) -> Iterator[str]:
    if array.level != "raid10" or array.wanted != len(spec.members):
        yield f"{spec.device}: {array.level} of {array.wanted}, not raid10 of {len(spec.members)}"
    if array.degraded:
        yield f"{spec.device}: runs without {array.degraded} of its disks"
    serials = {disk.path.removeprefix("/dev/"): disk.serial for disk in facts.disks}
    there = {serials.get(name, name) for name in array.members}
    for serial in sorted(set(spec.serials) - there):
        yield f"{spec.device}: {serial} is not in it"
    for name, state in sorted(array.members.items()):
        known = serials.get(name)
        if known is None:
            yield f"{spec.device}: {name} is in it, and the inventory does not name it"
        if not WELL & set(state.split(",")) or "faulty" in state:
            yield f"{spec.device}: {known or name} is {state}"


def _container(spec: Spec, facts: Facts, found: Journal) -> Iterator[str]:
    luks = facts.luks
    if luks is None or luks.uuid != found.luks:
        yield f"{spec.device}: no LUKS container {found.luks}"
        return
    if not unlocks(spec, facts):
        yield f"{spec.device}: {spec.unlock} does not open it"
    if not any(token.kind == "landfall-recovery" for token in luks.tokens):
        yield f"{spec.device}: no recovery key opens it"
    if luks.epoch != found.epoch:
        yield f"{spec.device}: its header has changed since it was backed up"
    if facts.mapping != found.luks:
        yield f"{spec.mapped}: not open"
    if facts.key_in_memory:
        yield "the recovery key is still in memory"


def _mounted(spec: Spec, facts: Facts) -> Iterator[str]:
    opened = facts.filesystem
    if opened is None or opened.mounted_at != spec.mount:
        yield f"{spec.mount}: not mounted"
        return
    for option in sorted(set(spec.mount_options) - set(opened.options)):
        yield f"{spec.mount}: mounted without {option}"


def settled(array: Md) -> bool:
    """Whether nothing more will happen by itself: no rebuild runs or is about to begin."""
    states = " ".join(array.members.values())
    waits = "spare" in states and array.degraded
    return array.action in ("idle", "") and "want_replacement" not in states and not waits


def summary(spec: Spec, facts: Facts) -> str:
    """How the array is, in one line."""
    array = facts.array(facts.journal.md) if facts.journal else None
    if array is None:
        return f"{spec.device}: not there"
    state = "U" * (array.wanted - array.degraded) + "_" * array.degraded
    action = "" if array.action in ("idle", "") else f", {array.action}"
    return (
        f"{spec.device}: {array.level} of {array.wanted} [{state}]{action}, "
        f"{array.mismatches} mismatched sectors, opened by {spec.unlock}, "
        f"at {spec.mount}, {config.CRYPTTAB} and {config.FSTAB} pinned by UUID"
    )
