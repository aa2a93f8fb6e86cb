"""Changing what opens a container at boot: after new firmware, or for another kind of key."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts, Token
from .plan import MAKE, Plan, Step
from .refuse import wanted_pcrs
from .spec import Spec
from .unlock import enrolment

KINDS = {"tpm2": "systemd-tpm2", "tang": "clevis", "key_file": "landfall-key-file"}


def reseal(spec: Spec, facts: Facts) -> Plan:
    """Add what the spec wants to open the container with, and take away what opened it before."""
    found = facts.journal
    array = facts.array(found.md) if found is not None and found.complete else None
    if found is None or array is None or facts.luks is None or facts.luks.uuid != found.luks:
        return Plan(problems=("no container of this role is here",), journal=found)
    if spec.unlock == "tpm2" and not facts.tpm:
        return Plan(problems=("array.unlock: tpm2, but there is no TPM 2.0",), journal=found)
    if spec.unlock == "key_file" and not spec.rehearsal:
        return Plan(problems=("array.unlock: key_file is for a rehearsal",), journal=found)
    test = ("cryptsetup", "open", "--test-passphrase", "--key-file={key}", "--key-slot=0")
    steps = (
        Step(
            name="Try the recovery key",
            change="it opens key slot 0",
            phase=MAKE,
            commands=((*test, spec.device),),
        ),
        Step(
            name="Let the array be opened at boot by what is there now",
            change=f"{spec.unlock} {wanted_pcrs(spec)}".strip(),
            phase=MAKE,
            special="key_file" if spec.unlock == "key_file" else "",
            commands=(*enrolment(spec), *_old_clevis(spec, facts)),
        ),
        *_others(spec, facts),
    )
    return Plan(steps=steps, journal=found)


def _tokens(facts: Facts, kind: str) -> Iterator[Token]:
    if facts.luks is not None:
        yield from (token for token in facts.luks.tokens if token.kind == kind)


def _old_clevis(spec: Spec, facts: Facts) -> Iterator[tuple[str, ...]]:
    """A new binding to a key server does not replace the old one by itself, as a TPM's does."""
    if spec.unlock == "tang":
        for token in _tokens(facts, "clevis"):
            for slot in token.slots:
                yield ("clevis", "luks", "unbind", "-f", "-d", spec.device, "-s", slot)


def _others(spec: Spec, facts: Facts) -> Iterator[Step]:
    """Whatever opened the container before, and is not what the spec wants."""
    for unlock, kind in KINDS.items():
        slots = [slot for token in _tokens(facts, kind) for slot in token.slots]
        if unlock == spec.unlock or not slots:
            continue
        kill = ("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file={key}", spec.device)
        commands: tuple[tuple[str, ...], ...] = tuple((*kill, slot) for slot in slots)
        if unlock == "tang":
            unbind = ("clevis", "luks", "unbind", "-f", "-d", spec.device, "-s")
            commands = tuple((*unbind, slot) for slot in slots)
        elif unlock == "tpm2":
            commands = (("systemd-cryptenroll", "--wipe-slot=tpm2", spec.device),)
        yield Step(
            name=f"Take away what {unlock} opened",
            change=f"key slot {', '.join(slots)}",
            phase=MAKE,
            commands=commands,
        )
