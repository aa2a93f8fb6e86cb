from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall import process
from landfall.errors import InvalidInput
from landfall.model import manifest

NAMES = st.text("abc .-é", min_size=1, max_size=6).filter(lambda name: name.strip(". ") != "")
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.binary(max_size=40),
    min_size=1,
    max_size=6,
)


def lay(folder: Path, tree: dict[str, bytes]) -> dict[str, bytes]:
    """Write what of `tree` a file system can hold; a name cannot be file and folder."""
    laid = {}
    for name, body in tree.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        except OSError:
            continue
        laid[name] = body
    return laid


@given(tree=TREES)
def test_a_folder_is_what_its_files_are(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    one, other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    laid = lay(one, tree)
    lay(other, dict(reversed(laid.items())))
    found = manifest.read(one)
    assert found == manifest.read(other)
    assert {each.name: each.size for each in found.entries} == {
        name: len(body) for name, body in laid.items()
    }
    name = next(iter(laid))
    (other / name).write_bytes(laid[name] + b"x")
    assert manifest.read(other).digest != found.digest
    (other / name).unlink()
    (other / f"{name}-moved").write_bytes(laid[name])
    assert manifest.read(other).digest != found.digest


def test_sha256sum_says_the_same(tmp_path: Path) -> None:
    lay(tmp_path, {"b/2": b"two", "a": b"one", "b/1": b""})
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum")
    done = process.run(["sha256sum", "a", "b/1", "b/2"], cwd=tmp_path)
    assert manifest.read(tmp_path).digest == hashlib.sha256(done.stdout.encode()).hexdigest()


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    found = manifest.read(tmp_path / "f")
    assert found.digest == hashlib.sha256(b"abc").hexdigest()
    assert (found.size, [each.name for each in found.entries]) == (3, ["f"])


def test_what_is_no_plain_folder_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    lay(tmp_path, {"fine": b"", "a\nb": b""})
    (tmp_path / "link").symlink_to("fine")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput) as caught:
        manifest.read(tmp_path)
    assert [str(each) for each in caught.value.problems] == [
        "'a\\nb': has a control character or an undecodable byte in its name",
        "link: is neither a file nor a folder",
        "pipe: is neither a file nor a folder",
    ]


@pytest.mark.parametrize("name", ["absent", "empty", "link"])
def test_what_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(InvalidInput, match=r"holds no files|is neither a file nor a folder"):
        manifest.read(tmp_path / name)
