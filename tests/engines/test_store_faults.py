"""A store survives everything: kills at each step, full disks, two at once."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from engines import collection, manifest
from engines.store import PARTIAL, Store
from landfall.errors import LandfallError
from tests.engines import stored

STEPS = frozenset(
    {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree",
     "shutil.copyfile", "os.truncate", "os.scandir", "tempfile.mkdtemp", "tempfile.mkstemp"}
)  # fmt: skip
"""What Python tells an audit hook before it asks the system."""

CLONE_NEWNS, MS_REC_PRIVATE = 0x20000, 0x44000


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; how it ended, as waitpid says."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]


def killed_at(number: int, below: Path, work: Callable[[], None]) -> bool:
    """Run `work` in a child that is killed before its step `number` below a folder; whether it was.

    Raises:
        AssertionError: it ended in another way than by that or by success.
    """

    def hooked() -> None:
        left = number

        def step(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS and any(str(each).startswith(str(below)) for each in arguments):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(step)
        work()

    status = in_child(hooked)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL
    return status != 0


def whole(store: Store) -> set[str]:
    """The keys of the store, each of which verifies."""
    assert list(store.damaged()) == []
    return {entry.key for entry in store.entries()}


def remains(store: Store) -> list[Path]:
    return list(store.root.glob(f"{PARTIAL}*"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.mark.slow
def test_a_put_killed_at_any_step(tmp_path: Path, store: Store) -> None:
    engine, signature = stored.engine(tmp_path), stored.signature(tmp_path)
    seen: set[bool] = set()
    number = 0
    while True:
        number += 1
        shutil.rmtree(store.root, ignore_errors=True)
        if not killed_at(number, store.root, lambda: put(store, engine, signature)):
            break
        seen.add(bool(whole(store)))
        put(store, engine, signature)
        assert whole(store) == {stored.key_of("a")}
        assert remains(store) == []
    assert number > 10
    assert seen == {False, True}  # killed before the rename, and after it


def test_a_removal_killed_at_any_step(tmp_path: Path, store: Store) -> None:
    engine, signature = stored.engine(tmp_path), stored.signature(tmp_path)
    seen: set[bool] = set()
    number = 0
    while True:
        number += 1
        put(store, engine, signature)
        if not killed_at(number, store.root, lambda: store.remove(stored.key_of("a"))):
            break
        seen.add(bool(whole(store)))
        store.remove(stored.key_of("a"))
        store.sweep()
        assert whole(store) == set()
        assert remains(store) == []
    assert number > 5
    assert seen == {False, True}


@pytest.mark.slow
def test_a_collection_killed_at_any_step(tmp_path: Path, store: Store) -> None:
    engines = {letter: stored.engine(tmp_path, letter) for letter in "ab"}
    signature = stored.signature(tmp_path)
    needed = {stored.key_of("b"): ["prod: chat 100 %"]}
    number = 0
    while True:
        number += 1
        for engine in engines.values():
            put(store, engine, signature)
        if not killed_at(number, store.root, lambda: collect(store, needed)):
            break
        assert stored.key_of("b") in whole(store)
        collect(store, needed)
        assert whole(store) == {stored.key_of("b")}
        assert remains(store) == []
    assert whole(store) == {stored.key_of("b")}
    assert number > 10


def collect(store: Store, needed: collection.Claims) -> None:
    planned = collection.plan(collection.items(store, now=time.time()), needed, grace=0)
    collection.carry_out(store, planned, lambda: needed)


def test_a_pin_killed_at_any_step(tmp_path: Path, store: Store) -> None:
    entry = store.put(stored.engine(tmp_path), stored.signature(tmp_path))
    number = 1
    while killed_at(number, store.root, lambda: store.pin(entry.key, "evidence")):
        assert whole(store) == {entry.key}
        assert entry.reason in ("", "evidence")
        store.pin(entry.key, "evidence")
        assert entry.reason == "evidence"
        store.unpin(entry.key)
        number += 1
    assert number > 1


def put(store: Store, engine: Path, signature: Path) -> None:
    store.put(engine, signature)


def test_a_file_that_may_not_grow(tmp_path: Path, store: Store) -> None:
    engine, signature = stored.engine(tmp_path), stored.signature(tmp_path)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        refused(store, engine, signature)

    assert in_child(limited) == 0
    assert whole(store) == set()
    assert remains(store) == []
    put(store, engine, signature)
    assert whole(store) == {stored.key_of("a")}


@pytest.mark.host
def test_a_disk_that_fills(tmp_path: Path) -> None:
    engine, signature = stored.engine(tmp_path), stored.signature(tmp_path)
    with (engine / "model.onnx").open("ab") as stream:
        stream.write(b"\0" * 300_000)
    manifest.write(engine, stored.predicate())
    disk = tmp_path / "disk"
    disk.mkdir()

    def small() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(CLONE_NEWNS) == 0
        assert libc.mount(b"none", b"/", None, MS_REC_PRIVATE, None) == 0
        assert libc.mount(b"tmpfs", bytes(disk), b"tmpfs", 0, b"size=200k") == 0
        store = Store(disk / "store")
        refused(store, engine, signature)
        other = stored.engine(tmp_path, "b")
        assert store.put(other, signature).key == stored.key_of(
            "b"
        )  # there is room for a small one

    assert in_child(small) == 0


def refused(store: Store, engine: Path, signature: Path) -> None:
    with pytest.raises(LandfallError, match=r"is full: the engine has .* Nothing of it was kept"):
        store.put(engine, signature)
    assert whole(store) == set()
    assert remains(store) == []


def test_builds_of_one_key_take_turns(tmp_path: Path, store: Store) -> None:
    log = tmp_path / "log"

    def build() -> None:
        with store.hold(stored.key_of("a")), log.open("a") as stream:
            for word in ("begin", "end"):
                stream.write(f"{word}\n")
                stream.flush()
                os.sched_yield()

    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            build()
            os._exit(0)
        children.append(child)
    assert [os.waitpid(each, 0)[1] for each in children] == [0] * 4
    assert log.read_text().split() == ["begin", "end"] * 4
