"""The supervisor as the unit runs it: a process of its own, and a stand-in for podman.

The stand-in starts a real server on loopback. What a real podman does: tests/rack.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engines.supervise import check, pause
from engines.supervise.__main__ import main
from landfall import process
from landfall.model.environment import ROOT
from tests.loopback import free_port

PATIENCE = ["--warm-s", "60", "--every-s", "0.2", "--hung-after-s", "2", "--drain-s", "7"]


@dataclass
class Supervised:
    """The supervisor, what systemd heard of it, and what podman was told."""

    folder: Path
    channel: socket.socket
    port: int
    behaves: str = "{}"

    def start(self) -> process.Daemon:
        words = ["-m", "engines.supervise", "run", "--container", "landfall-container-1"]
        words += ["--port", str(self.port), "--health", "/health", *PATIENCE]
        command = [str(self.folder / "podman"), "run", "serve", "--port", str(self.port)]
        environment = {
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "PODMAN_FOLDER": str(self.folder),
            "PODMAN_BEHAVES": self.behaves,
            "PYTHONPATH": str(ROOT),
        }
        return process.spawn(
            [sys.executable, *words, "--", *command],
            name="supervise",
            record=self.folder / "supervise.json",
            log=self.folder / "log",
            cwd=ROOT,
            env=environment,
        )

    def hears(self, state: str) -> bool:
        self.channel.settimeout(30)
        try:
            while True:
                if self.channel.recv(100).decode() == state:
                    return True
        except TimeoutError:
            return False

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def told(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "told").read_text().splitlines()]


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    script = tmp_path / "podman"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.engines.supervise.podman "$@"\n')
    script.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        made = Supervised(folder=tmp_path, channel=channel, port=free_port())
        yield made
    process.stop(tmp_path / "supervise.json")


def ended(daemon: process.Daemon) -> bool:
    return process.wait_until(lambda: not daemon.alive(), timeout_s=30)


@pytest.mark.services
def test_it_is_ready_when_it_has_answered_and_is_stopped_with_time_to_drain(
    supervised: Supervised,
) -> None:
    daemon = supervised.start()
    assert supervised.hears("READY=1")
    assert supervised.hears("WATCHDOG=1")
    os.kill(daemon.pid, 15)
    assert supervised.hears("STOPPING=1")
    assert ended(daemon)
    assert supervised.told[1:] == [["stop", "--ignore", "--time=7", "landfall-container-1"]]
    assert supervised.log == "it could speak to systemd itself\n"  # podman is told not to


@pytest.mark.services
def test_one_that_hangs_is_ended_with_a_reason(supervised: Supervised) -> None:
    daemon = supervised.start()
    assert supervised.hears("READY=1")
    (supervised.folder / "hang").touch()
    assert ended(daemon)
    assert "no token for 2 s; it says that it is well" in supervised.log
    assert supervised.told[-1] == ["stop", "--ignore", "--time=10", "landfall-container-1"]


@pytest.mark.services
def test_one_that_is_killed_takes_its_supervisor_with_it(supervised: Supervised) -> None:
    daemon = supervised.start()
    assert supervised.hears("READY=1")
    (supervised.folder / "crash").touch()
    assert ended(daemon)
    assert "the container ended with 137" in supervised.log


@pytest.mark.services
def test_one_that_cannot_start_is_told(supervised: Supervised) -> None:
    supervised.behaves = json.dumps({"ends": 125})
    assert ended(supervised.start())
    assert "the container ended with 125" in supervised.log
    assert not supervised.log.startswith("Traceback")


@pytest.fixture
def own_signals() -> Iterator[None]:
    """What this process does on signals stays its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_without_podman_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--container", "x", "--port", "1", "--health", "/health"]
    assert main([*words, "--", "no-such-podman", "run"]) == 1
    assert "no-such-podman is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(("result", "counted"), [("success", 0), ("watchdog", 1), ("exit-code", 1)])
def test_only_failures_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, counted: int
) -> None:
    monkeypatch.setenv("SERVICE_RESULT", result)
    assert main(["ended", "--failures", str(tmp_path / "failures")]) == 0
    assert len(pause.failures(tmp_path / "failures")) == counted


def test_gpus_are_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        check.main(["--gpus", "all"])
    assert caught.value.code == 2
    assert "numbers with commas" in capsys.readouterr().err
