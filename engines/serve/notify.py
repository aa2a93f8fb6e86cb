"""Tell systemd how we are: one datagram to the socket that it named, if it did."""

from __future__ import annotations

import contextlib
import os
import socket

PING = "WATCHDOG=1"


def notify(state: str) -> None:
    """Send e.g. `READY=1`, `STOPPING=1` or `WATCHDOG=1`; see sd_notify(3)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address[0] == "@" else address
    # A ping that finds no room may be lost: the next one comes, and nobody waits for this one.
    flags = socket.MSG_DONTWAIT if state == PING else 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.connect(name)
        with contextlib.suppress(BlockingIOError):
            channel.send(state.encode(), flags)


def watchdog_s() -> float | None:
    """How often systemd wants to hear from us (half of its patience), in seconds."""
    patience = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(patience) / 2e6 if patience.isdigit() and ours else None
