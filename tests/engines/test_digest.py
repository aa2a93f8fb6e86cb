"""Digests of files: remembered while nothing changes, and never wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    for name in ("a", "b"):
        (made / name).write_text(name)
        settle(made / name)
    return made


def settle(path: Path) -> None:
    """As if it had been written a minute ago. Its inode's own time cannot be set."""
    then = time.time() - 60
    os.utime(path, (then, then))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read."""
    names: list[str] = []
    plain = digest.of_file

    def counted(path: Path) -> str:
        names.append(path.name)
        return plain(path)

    monkeypatch.setattr(digest, "of_file", counted)
    monkeypatch.setattr(digest, "SETTLED_S", -1.0)  # nobody waits in a test
    return names


def asked(folder: Path) -> dict[str, str]:
    found = digest.of_files(sorted(folder.iterdir()), remembered=folder.parent / "digests.json")
    return {path.name: each for path, each in found.items()}


def test_what_did_not_change_is_not_read_again(folder: Path, read: list[str]) -> None:
    first = asked(folder)
    assert sorted(read) == ["a", "b"]
    assert asked(folder) == first
    assert sorted(read) == ["a", "b"]


def changed_in_place(path: Path) -> None:
    path.write_text("x")


def replaced_by_one_of_the_same_size_and_time(path: Path) -> None:
    told = path.stat()
    other = path.with_suffix(".new")
    other.write_text("x")
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.replace(path)


def changed_and_its_time_put_back(path: Path) -> None:
    told = path.stat()
    path.write_text("x")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        changed_in_place,
        replaced_by_one_of_the_same_size_and_time,
        changed_and_its_time_put_back,
    ],
)
def test_what_changed_is_read_again(change: object, folder: Path, read: list[str]) -> None:
    before = asked(folder)
    assert callable(change)
    change(folder / "a")
    after = asked(folder)
    assert after["a"] == digest.of_file(folder / "a") != before["a"]
    assert after["b"] == before["b"]
    assert read.count("b") == 1


def test_what_has_just_changed_is_not_remembered(
    folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "SETTLED_S", 2.0)
    asked(folder)
    asked(folder)
    assert sorted(read) == ["a", "a", "b", "b"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', '{"x": ["a", "b", "c"]}'])
def test_a_damaged_memory_is_no_memory(folder: Path, read: list[str], text: str) -> None:
    first = asked(folder)
    (folder.parent / "digests.json").write_text(text)
    assert asked(folder) == first


def test_what_is_gone_is_forgotten(folder: Path, read: list[str]) -> None:
    asked(folder)
    (folder / "b").unlink()
    (folder / "a").write_text("new")
    asked(folder)
    assert str(folder / "b") not in (folder.parent / "digests.json").read_text()


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_several_at_a_time_are_the_same_as_one_by_one(contents: list[bytes]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name) / str(number) for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        assert digest.of_files(paths) == {path: digest.of_file(path) for path in paths}
