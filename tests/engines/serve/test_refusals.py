"""The server starts only with what was signed, and says why where it does not."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines import manifest, sign
from engines.serve.__main__ import main

pytestmark = pytest.mark.slow


def serve(signed: Any, **changes: Path | int) -> int:
    words = {
        "engine": signed.engine,
        "signature": signed.signature,
        "public-key": signed.public_key,
        "port": 0,
        "name": "tiny-lm",
        **changes,
    }
    return main([part for name, value in words.items() for part in (f"--{name}", str(value))])


def flip_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a corrupted model": lambda folder: flip_bit(folder / "model.onnx"),
    "a manifest changed by one byte": lambda folder: flip_bit(folder / manifest.FILE),
    "no manifest": lambda folder: (folder / manifest.FILE).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused(
    damage: str, signed: Any, engine_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DAMAGE[damage](engine_copy)
    assert serve(signed, engine=engine_copy) == 1
    assert "is not what was signed" in capsys.readouterr().err


def test_another_key_is_refused(
    signed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, other = sign.generate_keys(tmp_path)
    assert serve(signed, **{"public-key": other}) == 1
    assert "is not what was signed" in capsys.readouterr().err


def test_a_taken_port_is_told_before_anything_is_loaded(
    signed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve(signed, engine=tmp_path / "none", port=port) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err


def test_other_software_is_refused(
    signed: Any, engine_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = engine_copy / manifest.FILE
    path.write_text(path.read_text().replace('"backend_version": "', '"backend_version": "0.'))
    sign.sign(engine_copy, tmp_path / "e.sig", signed.private_key)
    assert serve(signed, engine=engine_copy, signature=tmp_path / "e.sig") == 1
    assert "backend: built with onnxruntime 0." in capsys.readouterr().err


def test_a_signed_engine_that_is_none_is_refused(
    signed: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(signed.engine, tmp_path / "x")
    (folder / manifest.FILE).write_text("{}")
    sign.sign(folder, tmp_path / "x.sig", signed.private_key)
    assert serve(signed, engine=folder, signature=tmp_path / "x.sig") == 1
    assert "is not the manifest of an engine" in capsys.readouterr().err
