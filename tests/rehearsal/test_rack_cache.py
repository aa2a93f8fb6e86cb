"""Folders that are made once: complete under their name, or not there at all."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from landfall import process
from landfall.errors import IntegrityError
from landfall.model.environment import ROOT
from rehearsal import cache, packages
from rehearsal.door import Forward
from rehearsal.nspawn import RackHost

SLOW = """
import sys, time
from pathlib import Path
from rehearsal import cache
def build(part):
    (part / "half").write_text("half")
    print("begun", flush=True)
    time.sleep(60)
cache.once(Path(sys.argv[1]), build)
"""


def whole(part: Path) -> None:
    (part / "whole").write_text("whole")


def test_a_build_that_is_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    final = tmp_path / "made"
    log = tmp_path / "log"
    child = process.spawn(
        [sys.executable, "-c", SLOW, str(final)],
        name="slow",
        record=tmp_path / "slow.json",
        log=log,
        cwd=ROOT,
    )
    assert process.wait_until(lambda: "begun" in child.tail(), timeout_s=20)
    os.kill(child.pid, signal.SIGKILL)
    assert process.wait_until(lambda: not child.alive(), timeout_s=5)
    assert not final.exists()
    assert cache.once(final, whole) == final
    assert [path.name for path in final.iterdir()] == ["whole"]
    assert not list(tmp_path.glob("*.part-*"))


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        whole(part)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.once(tmp_path / "made", fail)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    final = cache.once(tmp_path / "made", whole)
    before = final.stat().st_mtime_ns
    time.sleep(0.01)
    cache.once(final, lambda _: pytest.fail("made again"))
    assert final.stat().st_mtime_ns == before


def test_a_host_gets_exactly_what_is_locked() -> None:
    locked = packages.locked_requirements()
    names = [line.split("==")[0] for line in locked.splitlines() if not line.startswith(" ")]
    assert {"onnxruntime", "model-signing", "uvicorn", "pydantic"} <= set(names)
    assert not {"jax", "mlflow", "ansible", "pulumi", "pywin32"} & set(names)
    entries = [part for part in locked.split("\n") if "==" in part]
    assert len(entries) == len(set(names))
    assert locked.count("--hash=sha256:") >= len(names)


def test_a_package_that_is_not_locked_is_an_error(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements.lock"):
        text = (ROOT / name).read_text()
        (tmp_path / name).write_text(text.replace("\nuvicorn==", "\nsomething-else=="))
    with pytest.raises(IntegrityError, match=r"requirements\.lock lacks uvicorn"):
        packages.locked_requirements(tmp_path)


def test_a_forward_is_read_as_it_is_written() -> None:
    forward = Forward(port=22011, address="10.88.0.11", target=22)
    assert Forward.parse(str(forward)) == forward
    with pytest.raises(ValueError, match="invalid literal"):
        Forward.parse("22011")


def test_a_mac_follows_from_the_address() -> None:
    assert RackHost(name="rack-1", address="10.88.0.11").mac == "02:00:0a:58:00:0b"
