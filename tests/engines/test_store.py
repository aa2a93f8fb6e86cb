"""The store: whole entries by key, found again, checked, never half written."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engines.store import Store
from landfall.errors import IntegrityError, InvalidInput, Refused

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_put_get_verify(store: Store, signed: Any) -> None:
    entry = store.put(signed.engine, signed.signature)
    assert entry.key == signed.plan.key
    assert store.get(entry.key) == entry
    assert store.entries() == [entry]
    assert store.verify(entry.key, signed.public_key).predicate.key == entry.key
    assert list(store.damaged(signed.public_key)) == []


def test_putting_again_changes_nothing(store: Store, signed: Any) -> None:
    first = store.put(signed.engine, signed.signature)
    before = first.signature.stat().st_ino
    assert store.put(signed.engine, signed.signature) == first
    assert first.signature.stat().st_ino == before


def test_many_at_once(store: Store, signed: Any) -> None:
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(store.put, signed.engine, signed.signature) for _ in range(4)]
        assert len({each.result().folder for each in work}) == 1
    assert len(list(store.root.glob("[!.]*"))) == 1


def test_a_killed_put_leaves_no_entry(
    store: Store, signed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("landfall.files.flush", die)
    monkeypatch.setattr("engines.store.shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        store.put(signed.engine, signed.signature)
    assert store.entries() == []
    assert list(store.root.glob(".partial-*"))
    monkeypatch.undo()
    store.put(signed.engine, signed.signature)
    assert not list(store.root.glob(".partial-*"))


def test_damage_is_named(store: Store, signed: Any) -> None:
    entry = store.put(signed.engine, signed.signature)
    (entry.engine / "tokenizer.json").write_text("{}")
    [(key, reason)] = store.damaged()
    assert key == entry.key
    assert "tokenizer.json differs" in reason


def test_an_entry_under_another_key(store: Store, signed: Any) -> None:
    entry = store.put(signed.engine, signed.signature)
    shutil.move(entry.folder, store.root / ("0" * 64))
    with pytest.raises(IntegrityError, match=f"is the engine {entry.key}, not 0000"):
        store.verify("0" * 64, signed.public_key)


def test_a_pinned_entry_stays(store: Store, signed: Any) -> None:
    entry = store.put(signed.engine, signed.signature)
    store.pin(entry.key)
    with pytest.raises(Refused, match="is pinned"):
        store.remove(entry.key)
    store.unpin(entry.key)
    store.remove(entry.key)
    assert store.get(entry.key) is None


def test_a_key_is_not_a_path(store: Store) -> None:
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        store.get("../../etc")
