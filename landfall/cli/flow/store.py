"""The store of engines: what comes in, what may go, and what is whole."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from engines import approval, collection, manifest, sign
from engines.collection import Verdict
from engines.entry import Entry
from engines.store import Store
from landfall.cli.flow import building
from landfall.cli.flow.claims import claims
from landfall.errors import GateFailed, IntegrityError
from landfall.model.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One engine that was verified.

    Attributes:
        wrong: what is not right; empty for nothing.
        signed: whether its signature was checked, and holds.
    """

    key: str
    name: str
    wrong: str = ""
    signed: bool = False


def collect(environment: Environment, *, grace_days: float, dry_run: bool) -> tuple[Verdict, ...]:
    """Remove the engines of the checkout's store that nothing needs; with `dry_run` only say so.

    Raises:
        InvalidInput: a file of releases is not one. Nothing is removed.
    """
    store = Store(environment.store)
    found = collection.items(store, now=time.time())
    verdicts = collection.plan(found, claims(environment.root), grace=grace_days * collection.DAY_S)
    if dry_run:
        return verdicts
    return collection.carry_out(store, verdicts, lambda: claims(environment.root))


def check(environment: Environment, keys: list[str], *, full: bool) -> list[Checked]:
    """Verify the engines `keys` of the store, or all of them where none is given."""
    store = Store(environment.store)
    entries = [store.find(key) for key in keys] if keys else store.entries()
    trust = environment.keys / sign.PUBLIC_KEY
    return [_checked(store, each, trust if trust.exists() else None, full) for each in entries]


def _checked(store: Store, entry: Entry, trust: Path | None, full: bool) -> Checked:
    try:
        store.verify(entry.key, trust, full=full)
    except IntegrityError as error:
        return Checked(key=entry.key, name=entry.name, wrong=error.message)
    return Checked(key=entry.key, name=entry.name, signed=full and trust is not None)


def receive(environment: Environment, folder: Path, signature: Path) -> Entry:
    """Take in an engine that somebody else signed, after checking all that a release needs of it.

    Raises:
        IntegrityError: it is not what was signed, by nobody who is believed here, or damaged.
        GateFailed: a gate is not passed.
        PolicyViolation: who built it has signed it, for an environment where that takes two.
    """
    trust = environment.keys / sign.PUBLIC_KEY
    signer = sign.verify(folder, signature, trust)
    about = manifest.check(folder).predicate
    if not about.passed:
        unmet = ", ".join(f"{each.name} ({each.outcome})" for each in about.unmet) or "none ran"
        raise GateFailed(f"engine {about.key[:12]} has gates that are not passed: {unmet}")
    approval.check_signing(environment.name, builder=about.built_by, signer=signer)
    entry = Store(environment.store).put(folder, signature)
    shutil.rmtree(building.work(environment, entry.key), ignore_errors=True)
    return entry
