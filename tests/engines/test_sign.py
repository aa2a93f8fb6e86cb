"""Signatures: what was signed passes, and everything else is refused with a reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines import sign
from landfall.errors import IntegrityError, InvalidInput

pytestmark = pytest.mark.slow


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(folder: Path) -> None:
    one, two = folder / "config.json", folder / "tokenizer.json"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def link(folder: Path) -> None:
    shutil.copy(folder / "config.json", folder.parent / "elsewhere")
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder.parent / "elsewhere")


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "one bit of the model": lambda folder: flip(folder / "model.onnx"),
    "one bit of the manifest": lambda folder: flip(folder / "manifest.json"),
    "a file removed": lambda folder: (folder / "config.json").unlink(),
    "a file added": lambda folder: (folder / "extra").write_text("x"),
    "a file added under a name of git's": lambda folder: (folder / ".gitignore").write_text("x"),
    "a file renamed": lambda folder: (folder / "config.json").rename(folder / "c.json"),
    "two files swapped": swap,
    "a file that became a link": link,
}


def test_what_was_signed_passes(signed: Any) -> None:
    sign.verify(signed.engine, signed.signature, signed.public_key)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(damage: str, signed: Any, engine_copy: Path) -> None:
    DAMAGE[damage](engine_copy)
    with pytest.raises(IntegrityError, match=r"not what was signed: ."):
        sign.verify(engine_copy, signed.signature, signed.public_key)


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense"])
def test_a_broken_signature(content: str, signed: Any, tmp_path: Path) -> None:
    (tmp_path / "x.sig").write_text(content)
    with pytest.raises(IntegrityError):
        sign.verify(signed.engine, tmp_path / "x.sig", signed.public_key)


def test_an_edited_signature(signed: Any, tmp_path: Path) -> None:
    text = signed.signature.read_text()
    at = text.index('"payload"') + 60
    (tmp_path / "x.sig").write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    with pytest.raises(IntegrityError):
        sign.verify(signed.engine, tmp_path / "x.sig", signed.public_key)


def test_another_key(signed: Any, tmp_path: Path) -> None:
    _, other = sign.generate_keys(tmp_path)
    with pytest.raises(IntegrityError):
        sign.verify(signed.engine, signed.signature, other)


def test_nothing_there(signed: Any, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"the signature .* does not exist"):
        sign.verify(signed.engine, tmp_path / "none.sig", signed.public_key)


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    private, public = sign.generate_keys(tmp_path)
    before = private.read_bytes()
    assert private.stat().st_mode & 0o777 == 0o600
    assert sign.generate_keys(tmp_path) == (private, public)
    assert private.read_bytes() == before


def test_a_key_with_a_password(signed: Any, tmp_path: Path) -> None:
    private, public = sign.generate_keys(tmp_path / "keys", password=b"correct horse")
    assert b"ENCRYPTED" in private.read_bytes()
    with pytest.raises(InvalidInput, match="not a usable private key"):
        sign.sign(signed.engine, tmp_path / "e.sig", private, password=b"wrong")
    assert not (tmp_path / "e.sig").exists()
    sign.sign(signed.engine, tmp_path / "e.sig", private, password=b"correct horse")
    sign.verify(signed.engine, tmp_path / "e.sig", public)


def test_a_signature_cannot_lie_in_what_it_signs(signed: Any) -> None:
    with pytest.raises(InvalidInput, match="must not lie inside"):
        sign.sign(signed.engine, signed.engine / "e.sig", signed.private_key)
