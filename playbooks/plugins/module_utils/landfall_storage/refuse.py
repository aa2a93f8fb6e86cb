"""Why nothing may be done to a host's array: every reason at once, with what would be right."""

from __future__ import annotations

from collections.abc import Iterator

from . import ladder
from .facts import WAITS, Facts, Journal, Md
from .spec import Spec

REPLACE = "docs/disks.md says how to replace it"
GROWING = "if it was growing, run storage.yml with --tags grow; restore no header before"
HEADER = "docs/disks.md, `The header is damaged`"


def problems(spec: Spec, facts: Facts) -> Iterator[str]:
    """Every reason why the array may not be made, resumed or assembled."""
    found = facts.journal
    yield from ladder.identity(spec, facts, found)
    yield from _can_unlock(spec, facts)
    if found is None:
        yield from _may_be_made(spec, facts)
    elif found.complete or filled(facts):
        yield from _is_ours(spec, facts, found)
    else:
        yield from _may_be_resumed(spec, facts, found)


def _can_unlock(spec: Spec, facts: Facts) -> Iterator[str]:
    if spec.unlock == "tpm2" and not facts.tpm:
        yield "array.unlock: tpm2, but the machine has no TPM 2.0; switch it on in the firmware"
    if spec.unlock == "tang" and not spec.tang:
        yield "array.unlock: tang, but site.services.tang names no key server"
    if spec.unlock == "key_file" and not spec.rehearsal:
        yield "array.unlock: key_file lies beside what it protects; only a rehearsal may use it"


def _may_be_made(spec: Spec, facts: Facts) -> Iterator[str]:
    """Nothing is known to be ours: every disk must be unused and empty."""
    used = list(ladder.in_use(facts, spec.serials))
    yield from used
    occupied = ladder.contents(facts, spec.serials)
    if occupied and not used:
        yield from ladder.refusal(spec, facts, occupied)
    yield from _name_taken(spec, facts, "")


def filled(facts: Facts) -> bool:
    """Whether only the note is missing that the file system is finished."""
    found, opened = facts.journal, facts.filesystem
    return (
        found is not None
        and found.begun == "fill"
        and opened is not None
        and (opened.kind, opened.uuid, opened.whole) == ("xfs", found.filesystem, True)
    )


def _name_taken(spec: Spec, facts: Facts, ours: str) -> Iterator[str]:
    if facts.mapping and facts.mapping != ours:
        yield f"{spec.mapped}: another container is open under this name"


def _may_be_resumed(spec: Spec, facts: Facts, found: Journal) -> Iterator[str]:
    """What was begun may be made anew; what has come onto the disks since may not be lost."""
    changed = sorted(set(spec.serials) ^ {*found.members, *found.spares})
    if changed:
        yield (
            f"array: {', '.join(changed)} changed in the inventory while the array was being made; "
            f"put it back, or wipe what was begun: {ladder.confirmation(spec, facts, spec.serials)}"
        )
    strangers = ladder.contents(facts, spec.serials, found.md)
    if strangers:
        yield from ladder.refusal(spec, facts, strangers)
    for serial in spec.serials:
        disk = facts.disk(serial)
        if disk is not None:
            yield from (f"{serial} ({disk.path}) is in use: {use}" for use in disk.in_use)
    yield from _name_taken(spec, facts, found.luks)


def _is_ours(spec: Spec, facts: Facts, found: Journal) -> Iterator[str]:
    """The array holds data: it is assembled and nothing else."""
    yield from _membership(spec, facts, found)
    array = facts.array(found.md)
    if array is not None and array.active:
        yield from _geometry(spec, facts, found, array)
    yield from _name_taken(spec, facts, found.luks)
    opened = facts.filesystem
    if opened is not None and (opened.kind, opened.uuid) != ("xfs", found.filesystem):
        yield (
            f"{spec.mapped}: holds {opened.kind} {opened.uuid}, the journal says XFS "
            f"{found.filesystem}; nothing is touched"
        )


def _membership(spec: Spec, facts: Facts, found: Journal) -> Iterator[str]:
    known = {*found.members, *found.spares}
    added = [each for each in spec.serials if each not in known]
    gone = sorted(known - set(spec.serials))
    if len(spec.members) != len(found.members):
        yield (
            f"array.members: {len(spec.members)} disks, the array has {len(found.members)}; "
            "to grow it, run storage.yml with --tags grow"
        )
    elif gone or [each for each in added if each in spec.members]:
        yield (
            f"array.members: {', '.join(added) or 'nothing'} in place of "
            f"{', '.join(gone) or 'nothing'}; run replace-disk.yml"
        )
    for serial in spec.serials:
        disk = facts.disk(serial)
        if disk is None or serial not in known:
            continue
        if disk.md_uuid and disk.md_uuid != found.md:
            yield f"{serial} ({disk.path}) belongs to the array {disk.md_uuid}, not to {found.md}"
        elif not disk.md_uuid and serial in found.members:
            there = ", ".join(ladder.describe(disk))
            yield f"{serial} ({disk.path}) should be in the array and holds {there}; {REPLACE}"


def _geometry(spec: Spec, facts: Facts, found: Journal, array: Md) -> Iterator[str]:
    if array.chunk_kib != spec.chunk_kib:
        yield (
            f"array.chunk_kib: {spec.chunk_kib}, the array has {array.chunk_kib}; "
            "it cannot be changed without making the array anew"
        )
    luks = facts.luks
    if luks is None or luks.uuid != found.luks:
        there = luks.uuid if luks else "none"
        why = GROWING if array.state == WAITS else HEADER
        yield f"{array.path}: LUKS header {there}, the journal says {found.luks}; {why}"
    elif luks.sector_bytes != spec.sector_bytes:
        yield (
            f"array.sector_bytes: {spec.sector_bytes}, the container has {luks.sector_bytes}; "
            "it cannot be changed without making the container anew"
        )
    elif not unlocks(spec, facts):
        yield (
            f"array.unlock: {spec.unlock} {wanted_pcrs(spec)}is not what opens the container now; "
            "run storage.yml with --tags reseal and the recovery key"
        )


def wanted_pcrs(spec: Spec) -> str:
    """The TPM's registers in words, where a TPM opens the container."""
    listed = "+".join(map(str, spec.pcrs))
    return f"with PCR {listed} " if spec.unlock == "tpm2" else ""


def unlocks(spec: Spec, facts: Facts) -> bool:
    """Whether the header has what the spec wants to open it with."""
    tokens = facts.luks.tokens if facts.luks else ()
    if spec.unlock == "tpm2":
        wanted = sorted(spec.pcrs)
        return any(t.kind == "systemd-tpm2" and sorted(t.pcrs) == wanted for t in tokens)
    kind = {"tang": "clevis", "key_file": "landfall-key-file"}[spec.unlock]
    return any(token.kind == kind for token in tokens)


def notes(spec: Spec, facts: Facts) -> Iterator[str]:
    """What the reader should know and what blocks nothing."""
    found = facts.journal
    array = facts.array(found.md) if found else None
    if array is not None and array.degraded:
        yield f"{spec.device} runs without {array.degraded} of its disks"
    if array is not None and array.action not in ("idle", "frozen", ""):
        yield f"{spec.device}: {array.action} is running"
    if array is not None and array.mismatches and array.action in ("idle", ""):
        yield f"{spec.device}: the last scrub found {array.mismatches} sectors that differ"
    if facts.missing:
        yield f"not installed yet: {', '.join(facts.missing)}"
