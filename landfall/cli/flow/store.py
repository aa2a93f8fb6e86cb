"""The store of engines: what may go, and what is whole."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from engines import collection, sign
from engines.collection import Verdict
from engines.entry import Entry
from engines.store import Store
from landfall.cli.flow.claims import claims
from landfall.errors import IntegrityError
from landfall.model.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One engine that was verified; `wrong` says what is not right, empty for nothing."""

    key: str
    name: str
    wrong: str


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
    return Checked(key=entry.key, name=entry.name, wrong="")
