"""QEMU's machine protocol: one connection per request, over a socket in the server's folder."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from landfall.errors import CommandFailed, Unreachable

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection, ready for commands."""

    stream: TextIO

    def execute(self, command: str, /, **arguments: object) -> Any:
        """What QEMU returns for a command.

        Raises:
            CommandFailed: QEMU refused it; the message is QEMU's.
            Unreachable: QEMU has gone.
        """
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        while True:
            answer = self._read()
            if "error" in answer:
                raise CommandFailed(f"QEMU refused {command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def wait_for(self, event: str, **data: object) -> None:
        """Wait for an event that carries `data`.

        Raises:
            Unreachable: it does not come in time, or QEMU has gone.
        """
        while True:
            said = self._read()
            found = said.get("data", {})
            if said.get("event") == event and data.items() <= found.items():
                return

    def _read(self) -> dict[str, Any]:
        try:
            line = self.stream.readline()
        except OSError as error:
            raise Unreachable(f"QEMU does not answer: {error}") from error
        if not line:
            raise Unreachable("QEMU has gone")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def connect(path: Path, *, timeout_s: float = TIMEOUT_S) -> Iterator[Connection]:
    """A connection to the QEMU whose socket is `path`.

    Raises:
        Unreachable: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(timeout_s)
        try:
            link.connect(str(path))
        except OSError as error:
            raise Unreachable(f"no QEMU listens at {path}: {error}") from error
        with link.makefile("rw") as stream:
            connection = Connection(stream)
            connection._read()  # the greeting
            connection.execute("qmp_capabilities")
            yield connection


def execute(path: Path, command: str, /, **arguments: object) -> Any:
    """One command over a connection of its own; see `Connection.execute`."""
    with connect(path) as connection:
        return connection.execute(command, **arguments)
