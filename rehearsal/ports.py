"""Loopback ports: whether one is free, and who holds it."""

from __future__ import annotations

import contextlib
import socket

import psutil

from rehearsal.door import LOOPBACK


def free(port: int) -> bool:
    """Whether a server could listen on `port` of loopback now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def holder(port: int) -> psutil.Process | None:
    """Who listens on a TCP port, as far as we may see."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port:
                return psutil.Process(connection.pid) if connection.pid else None
    return None


def named(process: psutil.Process | None) -> str:
    """A program in words, for a message."""
    return f"{process.name()} (process {process.pid})" if process else ""
