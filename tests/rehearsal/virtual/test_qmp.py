"""QEMU's machine protocol, against a server that says what QEMU says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from landfall.errors import CommandFailed, Unreachable
from rehearsal.virtual import qmp

GREETING: dict[str, Any] = {"QMP": {"version": {}, "capabilities": []}}
EVENT = {"event": "RESET", "data": {"guest": True}}


@contextmanager
def served(path: Path, *answers: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A server that greets, answers every request in turn, and then goes; what it was asked."""
    asked: list[dict[str, Any]] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            stream.write(json.dumps(GREETING) + "\n")
            for answer in ({"return": {}}, *answers):
                if "event" not in answer:
                    stream.flush()
                    asked.append(json.loads(stream.readline()))
                stream.write(json.dumps(answer) + "\n")
            stream.flush()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(5)


def test_events_between_are_passed_over(tmp_path: Path) -> None:
    with served(tmp_path / "s", EVENT, {"return": {"status": "running"}}) as asked:
        assert qmp.execute(tmp_path / "s", "query-status") == {"status": "running"}
    assert [each["execute"] for each in asked] == ["qmp_capabilities", "query-status"]


def test_arguments_keep_their_names(tmp_path: Path) -> None:
    with served(tmp_path / "s", {"return": {}}) as asked:
        qmp.execute(tmp_path / "s", "device_add", **{"node-name": "a", "host_mtu": 9000, "path": 1})
    assert asked[-1]["arguments"] == {"node-name": "a", "host_mtu": 9000, "path": 1}


def test_a_refusal_is_quoted(tmp_path: Path) -> None:
    refused = {"error": {"class": "GenericError", "desc": "Bus 'bay9' not found"}}
    with served(tmp_path / "s", refused), pytest.raises(CommandFailed, match="Bus 'bay9' not"):
        qmp.execute(tmp_path / "s", "device_add")


def test_an_event_is_waited_for_by_its_data(tmp_path: Path) -> None:
    others = [{"event": "DEVICE_DELETED", "data": {"device": name}} for name in ("a", "b")]
    with served(tmp_path / "s", *others), qmp.connect(tmp_path / "s") as connection:
        connection.wait_for("DEVICE_DELETED", device="b")
        with pytest.raises(Unreachable, match="has gone"):
            connection.wait_for("DEVICE_DELETED", device="c")


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no QEMU listens"):
        qmp.execute(tmp_path / "s", "query-status")
