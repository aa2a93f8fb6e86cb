"""What systemd is told, and that telling it never holds up the server."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engines.serve.notify import PING, notify, watchdog_s


def test_a_ping_that_finds_no_room_is_lost_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        for _ in range(10_000):  # far more than a socket keeps
            notify(PING)
        assert channel.recv(100) == PING.encode()
        notify("READY=1")


@pytest.mark.parametrize(
    ("patience", "process", "wanted"),
    [("30000000", None, 15.0), ("30000000", "1", None), ("", None, None), ("soon", None, None)],
)
def test_how_often_systemd_wants_to_hear(
    patience: str, process: str | None, wanted: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", patience)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if process:
        monkeypatch.setenv("WATCHDOG_PID", process)
    assert watchdog_s() == wanted
