"""What may go from a store: never what is released, the way back, pinned, held or young."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import collection
from engines.collection import DAY_S, Item
from engines.entry import Entry
from engines.store import Store
from tests.engines import stored

NOW = 1_800_000_000.0
OLD = Item(key=stored.key_of("a"), name="tiny-lm", size=1, age=100 * DAY_S)


def fate(item: Item, claims: Sequence[str] = (), grace: float = 14 * DAY_S) -> tuple[bool, str]:
    [verdict] = collection.plan([item], {item.key: claims}, grace=grace)
    return verdict.kept, verdict.why


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], tuple[bool, str]]] = {
    "nothing needs it": ({}, (), (False, "no release names it")),
    "released": ({}, ("prod: chat 100 %",), (True, "prod: chat 100 %")),
    "pinned": ({"pinned": True, "reason": "audit"}, (), (True, "pinned: audit")),
    "held": ({"held": True}, (), (True, "being built or released")),
    "young": ({"age": 5.0}, (), (True, "younger than 14 days")),
    "all": (
        {"pinned": True, "held": True, "age": 0.0},
        ("dev: way back of chat",),
        (True, "dev: way back of chat; pinned; being built or released; younger than 14 days"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_fates(case: str) -> None:
    changes, claims, wanted = CASES[case]
    values = {each: getattr(OLD, each) for each in Item.__slots__}
    assert fate(Item(**{**values, **changes}), claims) == wanted


@given(
    claimed=st.booleans(), pinned=st.booleans(), held=st.booleans(), age=st.floats(0, 100 * DAY_S)
)
def test_only_what_nobody_needs_goes(claimed: bool, pinned: bool, held: bool, age: float) -> None:
    item = Item(key=OLD.key, name="", size=0, age=age, pinned=pinned, held=held)
    kept, _ = fate(item, ("prod",) if claimed else ())
    assert kept == (claimed or pinned or held or age < 14 * DAY_S)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three engines of long ago: a, b and c."""
    found = Store(tmp_path / "store")
    for letter in "abc":
        entry = found.put(stored.engine(tmp_path, letter), stored.signature(tmp_path))
        os.utime(entry.signature, (NOW - 100 * DAY_S, NOW - 100 * DAY_S))
    return found


def keys(store: Store) -> str:
    return "".join(entry.key[0] for entry in store.entries())


def test_the_plan_is_carried_out(store: Store) -> None:
    claims = {stored.key_of("b"): ["prod: chat 100 %"]}
    planned = collection.plan(collection.items(store, now=NOW), claims, grace=DAY_S)
    assert keys(store) == "abc"  # a plan touches nothing
    done = collection.carry_out(store, planned, lambda: claims)
    assert keys(store) == "b"
    assert [(each.kept, each.done) for each in done] == [
        (False, True),
        (True, False),
        (False, True),
    ]


def test_a_release_that_came_after_the_plan(store: Store) -> None:
    planned = collection.plan(collection.items(store, now=NOW), {}, grace=DAY_S)
    late = {stored.key_of("a"): ["prod: chat 10 %"]}
    done = collection.carry_out(store, planned, lambda: late)
    assert keys(store) == "a"
    assert "stays: prod: chat 10 %" in done[0].why


def test_a_pin_that_came_after_the_plan(store: Store) -> None:
    planned = collection.plan(collection.items(store, now=NOW), {}, grace=DAY_S)
    store.pin(stored.key_of("c"))
    collection.carry_out(store, planned, dict)
    assert keys(store) == "c"


def test_what_is_being_built_stays(store: Store) -> None:
    planned = collection.plan(collection.items(store, now=NOW), {}, grace=DAY_S)
    with store.hold(stored.key_of("a")):
        assert collection.items(store, now=NOW)[0].held
        collection.carry_out(store, planned, dict)
    assert keys(store) == "a"
    assert not collection.items(store, now=NOW)[0].held


def test_what_somebody_else_removes_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Entry(key=stored.key_of("d"), folder=store.root / stored.key_of("d"))
    there = store.entries()
    monkeypatch.setattr(Store, "entries", lambda _: [gone, *there])
    assert [each.key[0] for each in collection.items(store, now=NOW)] == ["a", "b", "c"]


def test_facts_of_an_item(store: Store) -> None:
    item = collection.items(store, now=NOW)[0]
    assert (item.name, item.age) == ("tiny-lm", 100 * DAY_S)
    assert item.size == store.entries()[0].size > 1500


def test_an_engine_that_cannot_be_read_has_no_name(store: Store) -> None:
    (store.entries()[0].engine / "manifest.json").write_text("{")
    assert collection.items(store, now=NOW)[0].name == "unknown"
