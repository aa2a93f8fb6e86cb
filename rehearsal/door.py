"""The way into a rack: ports of this machine's loopback that lead into the rack's namespace.

A daemon binds its ports first, where it was started, and then moves into the namespace with
setns(2): what it accepts comes from outside, what it opens goes inside. So a browser, curl, ssh
and Ansible need neither root nor a word about namespaces. It uses the standard library alone,
because it is started by path.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

LOOPBACK = "127.0.0.1"

NAMESPACES = Path("/run/netns")
"""Where `ip netns` keeps the network namespaces that have a name."""

CLONE_NEWNET = 0x40000000  # linux/sched.h

CHUNK = 64 * 1024
"""Bytes read at once. What has arrived is passed on at once, so a stream stays a stream."""

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A port of this machine's loopback, and where in the rack it leads."""

    port: int
    address: str
    target: int

    def __str__(self) -> str:
        """The form of the command line: PORT=ADDRESS:PORT."""
        return f"{self.port}={self.address}:{self.target}"

    @classmethod
    def parse(cls, text: str) -> Forward:
        """Read PORT=ADDRESS:PORT.

        Raises:
            ValueError: it is not of this form.
        """
        port, _, there = text.partition("=")
        address, _, target = there.rpartition(":")
        return cls(port=int(port), address=address, target=int(target))


def enter(namespace: Path) -> None:
    """Move this thread into the network namespace that the file `namespace` stands for.

    Raises:
        OSError: there is no such namespace, or this process may not enter it.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns is newer than Python 3.11
    with namespace.open("rb") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(namespace))


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Open sockets in a named namespace; they stay there when this thread has come back."""
    outside = Path("/proc/thread-self/ns/net")
    with outside.open("rb") as handle:
        enter(NAMESPACES / namespace)
        try:
            yield
        finally:
            enter(Path(f"/proc/self/fd/{handle.fileno()}"))


def banner(namespace: str, address: str, port: int, *, timeout_s: float = 1.0) -> bytes:
    """The first bytes that a server inside says by itself, as sshd does; empty if it does not."""
    with inside(namespace):
        try:
            with socket.create_connection((address, port), timeout_s) as connection:
                return connection.recv(4)
        except OSError:
            return b""


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except ConnectionError:
        writer.close()


async def _serve(
    forward: Forward, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Join one accepted connection with a new one inside, until both directions have ended."""
    try:
        there = asyncio.open_connection(forward.address, forward.target)
        inner_reader, inner_writer = await asyncio.wait_for(there, CONNECT_TIMEOUT_S)
    except (OSError, TimeoutError):
        writer.transport.abort()  # a reset, as a closed port would answer
        return
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    finally:
        inner_writer.close()
        writer.close()


async def _run(listeners: list[tuple[Forward, socket.socket]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [
        await asyncio.start_server(partial(_serve, forward), sock=listener)
        for forward, listener in listeners
    ]
    await stop.wait()
    for server in servers:
        server.close()


def main() -> None:
    """Listen on every port, move into the namespace, and pass bytes on until SIGTERM."""
    parser = argparse.ArgumentParser(description="Forward loopback ports into a namespace.")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("forwards", nargs="+", type=Forward.parse, metavar="PORT=ADDRESS:PORT")
    arguments = parser.parse_args()
    listeners = [(each, socket.create_server((LOOPBACK, each.port))) for each in arguments.forwards]
    enter(NAMESPACES / arguments.namespace)
    asyncio.run(_run(listeners))


if __name__ == "__main__":
    main()
