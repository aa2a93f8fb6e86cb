"""Which engines of a store may go: a plan with a reason for each, and carrying it out.

Kept is what a release names as answering or as the way back, what is pinned, what is being built
or released, and what came in so recently that its release may not have been written yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engines.store import Store
from landfall.errors import Busy, Refused

DAY_S = 86_400
Claims = Mapping[str, Sequence[str]]
"""By key, why an engine is needed, in words: which release names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One engine of the store, as far as its fate depends on it. `age` in seconds."""

    key: str
    name: str
    size: int
    age: float
    pinned: bool = False
    reason: str = ""
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of an item. `why` says so in words; `done` once it is removed."""

    item: Item
    kept: bool
    why: str
    done: bool = False


def plan(items: Sequence[Item], claims: Claims, *, grace: float) -> tuple[Verdict, ...]:
    """The fate of each item: kept with every reason, or removed. `grace` in seconds."""
    return tuple(_verdict(item, claims.get(item.key, ()), grace) for item in items)


def items(store: Store, *, now: float) -> tuple[Item, ...]:
    """What is in the store. `now` in seconds since the epoch."""
    return tuple(
        Item(
            key=entry.key,
            name=entry.name,
            size=entry.size,
            age=max(now - entry.added, 0.0),
            pinned=entry.pinned,
            reason=entry.reason,
            held=_held(store, entry.key),
        )
        for entry in store.entries()
    )


def carry_out(
    store: Store, verdicts: Sequence[Verdict], claims: Callable[[], Claims]
) -> tuple[Verdict, ...]:
    """Remove what the plan says; ask `claims` again for each, as a release may have come since."""
    store.sweep()
    return tuple(each if each.kept else _remove(store, each, claims) for each in verdicts)


def _remove(store: Store, verdict: Verdict, claims: Callable[[], Claims]) -> Verdict:
    key = verdict.item.key
    try:
        store.remove(key, unless=lambda: "; ".join(claims().get(key, ())))
    except (Refused, Busy) as error:
        return Verdict(item=verdict.item, kept=True, why=error.message)
    return Verdict(item=verdict.item, kept=False, why=verdict.why, done=True)


def _verdict(item: Item, claims: Sequence[str], grace: float) -> Verdict:
    reasons = list(claims)
    if item.pinned:
        reasons.append(f"pinned: {item.reason}" if item.reason else "pinned")
    if item.held:
        reasons.append("being built or released")
    if item.age < grace:
        reasons.append(f"younger than {grace / DAY_S:g} days")
    why = "; ".join(reasons) or "no release names it"
    return Verdict(item=item, kept=bool(reasons), why=why)


def _held(store: Store, key: str) -> bool:
    try:
        with store.hold(key, wait=False):
            return False
    except Busy:
        return True
