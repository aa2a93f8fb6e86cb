"""Emptying disks that a person has confirmed: the only way to lose what is on them."""

from __future__ import annotations

from collections.abc import Iterator

from . import ladder
from .facts import Disk, Facts
from .plan import MAKE, Plan, Step
from .spec import Spec


def plan(spec: Spec, facts: Facts, confirmed: str) -> Plan:
    """What would be wiped on this host; nothing where its disks are empty already."""
    occupied = ladder.contents(facts, spec.serials)
    problems = [
        *ladder.identity(spec, facts, None),
        *ladder.in_use(facts, spec.serials),
        *(_confirmed(spec, facts, confirmed) if occupied else ()),
    ]
    if problems:
        return Plan(problems=tuple(problems), journal=facts.journal)
    return Plan(steps=tuple(_steps(facts, occupied)), journal=facts.journal)


def _confirmed(spec: Spec, facts: Facts, confirmed: str) -> Iterator[str]:
    wanted = ladder.confirmation(spec, facts, spec.serials)
    if confirmed == wanted:
        return
    host, colon, digest = confirmed.partition(":")
    if not confirmed:
        yield "storage_wipe_confirm: nothing was confirmed"
    elif not colon or "," in confirmed or " " in confirmed or ":" in digest:
        yield f"storage_wipe_confirm: {confirmed!r} is not HOST:DIGEST of one host"
    elif host != spec.host:
        yield f"storage_wipe_confirm: names {host}, this is {spec.host}"
    else:
        yield "storage_wipe_confirm: what is on the disks is not what was confirmed"
    yield from ladder.refusal(spec, facts, ladder.contents(facts, spec.serials))


def _steps(facts: Facts, occupied: list[Disk]) -> Iterator[Step]:
    for name in sorted({holder for disk in occupied for holder in disk.held_by}):
        yield Step(
            name=f"Stop the array {name}",
            change="it was assembled from disks that are to be wiped, and nothing uses it",
            phase=MAKE,
            commands=(("mdadm", "--stop", f"/dev/{name}"),),
        )
    for disk in occupied:
        parts = sorted({each.where for each in disk.signatures} - {disk.path})
        superblock = (("mdadm", "--zero-superblock", disk.path),) if disk.md_uuid else ()
        yield Step(
            name=f"Wipe {disk.serial}",
            change=f"lost for ever: {', '.join(ladder.describe(disk))}",
            phase=MAKE,
            commands=(
                *superblock,
                *(("wipefs", "--all", each) for each in parts),
                ("wipefs", "--all", disk.path),
            ),
        )
    if facts.journal is not None and any(d.md_uuid == facts.journal.md for d in occupied):
        yield Step(
            name="Forget the array",
            change=f"{facts.journal.md} was wiped",
            phase=MAKE,
            special="forget_journal",
        )
