"""What stands before a start: a signature that holds, a host that fits, GPUs that are right."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engines import facts, sign
from engines.facts import Facts
from engines.supervise import check, pause
from tests.engines import stored
from tests.engines.test_preflight import ENGINE, HOST

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of the unit for an engine that is signed."""
    folder = tmp_path_factory.mktemp("signed")
    engine = stored.engine(folder, **ENGINE)
    private, public = sign.generate_keys(folder / "keys")
    sign.sign(engine, folder / "engine.sig", private)
    words = ["--engine", str(engine), "--signature", str(folder / "engine.sig")]
    return [*words, "--public-key", str(public)]


@pytest.fixture(autouse=True)
def on_a_host_with_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "read", lambda: Facts.model_validate(HOST))


def started(words: list[str], tmp_path: Path, gpus: str = "0") -> int:
    return check.main([*words, "--gpus", gpus, "--failures", str(tmp_path / "failures")])


def test_what_was_signed_and_fits_may_start(signed: list[str], tmp_path: Path) -> None:
    assert started(signed, tmp_path) == 0


def test_another_gpu_is_refused(
    signed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert started(signed, tmp_path, gpus="7") == 1
    assert "gpu 7: not there; this host has 2" in capsys.readouterr().err


def test_a_host_without_gpus_is_refused(
    signed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bare = Facts.model_validate({**HOST, "gpus": [], "devices": []})
    monkeypatch.setattr(facts, "read", lambda: bare)
    assert started(signed, tmp_path) == 1
    assert "built for L40S; this host has none" in capsys.readouterr().err


def test_a_changed_byte_is_refused(
    signed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(signed[1]) / "model.onnx"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    try:
        assert started(signed, tmp_path) == 1
    finally:
        path.write_bytes(content)
    assert "not what was signed" in capsys.readouterr().err


def test_after_failures_it_waits_first(
    signed: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    for _ in range(3):
        pause.remember(tmp_path / "failures", time.time())
    assert started(signed, tmp_path) == 0
    assert waited == [20.0]
    assert "the next start is in 20 s" in capsys.readouterr().err
