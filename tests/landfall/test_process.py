from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from landfall import process
from landfall.errors import CommandFailed, MissingTool

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"
    "time.sleep(60)",
]


def start(tmp_path: Path, argv: list[str]) -> process.Daemon:
    daemon = process.spawn(argv, name="x", record=tmp_path / "x.json", log=tmp_path / "x.log")
    assert process.wait_until(lambda: "up" in daemon.tail(), timeout_s=10)
    return daemon


def test_run_gives_output() -> None:
    assert process.run(["echo", "a"]).stdout == "a\n"


def test_run_says_what_failed() -> None:
    with pytest.raises(CommandFailed, match=r"thing ended with code 3\n  why") as caught:
        process.run(["sh", "-c", "echo why >&2; exit 3"], what="thing")
    assert caught.value.returncode == 3


def test_run_ends_what_hangs() -> None:
    with pytest.raises(CommandFailed, match="no end after"):
        process.run(["sleep", "60"], timeout_s=0.1)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(MissingTool, match="no-such-program is not installed"):
        process.run(["no-such-program"])


def test_stream_hands_over_lines() -> None:
    lines: list[str] = []
    process.stream(["sh", "-c", "echo a; echo b >&2"], on_line=lines.append)
    assert lines == ["a", "b"]


def test_stream_ends_its_child_when_interrupted() -> None:
    child: list[int] = []

    def interrupt(line: str) -> None:
        child.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.stream(["sh", "-c", "echo $$; sleep 60"], on_line=interrupt)
    assert process.wait_until(lambda: not psutil.pid_exists(child[0]), timeout_s=5)


def test_a_daemon_is_found_and_stopped(tmp_path: Path) -> None:
    started = start(tmp_path, SLEEPER)
    found = process.recorded(tmp_path / "x.json")
    assert found == started
    assert process.stop(tmp_path / "x.json")
    assert not started.alive()
    assert process.recorded(tmp_path / "x.json") is None
    assert not process.stop(tmp_path / "x.json")


def test_a_stubborn_daemon_is_killed(tmp_path: Path) -> None:
    started = start(tmp_path, STUBBORN)
    started.stop(grace_s=0.2)
    assert not started.alive()


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    started = start(tmp_path, SLEEPER)
    stranger = process.Daemon(
        name="x", pid=started.pid, started=started.started - 100, log=started.log
    )
    stranger.stop(grace_s=0.1)
    assert started.alive()
    started.stop()


def test_wait_until_gives_up() -> None:
    before = time.monotonic()
    assert not process.wait_until(lambda: False, timeout_s=0.05, interval_s=0.01)
    assert time.monotonic() - before >= 0.05


def test_the_environment_is_added_to() -> None:
    done = process.run(["sh", "-c", "echo $A$HOME"], env={"A": "x"})
    assert done.stdout == f"x{os.environ['HOME']}\n"
