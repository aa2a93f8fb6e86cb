"""A rack's network namespace with its bridge, and the loopback ports that lead to it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

from landfall import process
from landfall.errors import Busy, CommandFailed
from rehearsal import cache, ports
from rehearsal.door import LOOPBACK, NAMESPACES

BRIDGE = "rack"

KILL_TIMEOUT_S = 10.0


def make(namespace: str, *, address: str, marker: Path) -> None:
    """Make the namespace and its bridge with `address`, each only if it is not there.

    `marker` is a file that says that the namespace is ours. It is written first, so that what an
    interrupted call has made is known to be ours, too.

    Raises:
        Busy: a namespace of this name is there, and it is not ours.
    """
    path = NAMESPACES / namespace
    if path.exists() and not marker.exists():
        raise Busy(
            f"the network namespace {namespace} belongs to another rack",
            hint=f"Take that rack down, or remove it with `ip netns del {namespace}`.",
        )
    marker.write_text(namespace)
    if path.exists() and not cache.mounts_below(path):
        path.unlink()  # an `ip netns add` was killed half-way
    if not path.exists():
        process.run(["ip", "netns", "add", namespace])
    for words in (
        ["link", "set", "lo", "up"],
        ["link", "add", BRIDGE, "type", "bridge"],
        ["address", "replace", address, "dev", BRIDGE],
        ["link", "set", BRIDGE, "up"],
    ):
        done = process.run(["ip", "-n", namespace, *words], check=False)
        if done.returncode != 0 and "File exists" not in done.stderr:
            raise CommandFailed(f"ip {' '.join(words)}: {done.stderr.strip()}")


def remove(namespace: str, *, marker: Path) -> None:
    """Remove the namespace if it is ours, and end whatever still lives in it. Safe twice."""
    if not marker.exists():
        return
    path = NAMESPACES / namespace
    if path.exists():
        if cache.mounts_below(path):
            _end_all_in(namespace)
        process.run(["ip", "netns", "del", namespace], check=False)
        path.unlink(missing_ok=True)
    marker.unlink()


def check_ports(wanted: Iterable[int], *, ours: process.Daemon | None) -> None:
    """Find out whether loopback ports are free, or held by our own daemon.

    Raises:
        Busy: a port is held by somebody else; the message says by whom.
    """
    for port in wanted:
        if ports.free(port):
            continue
        holder = ports.holder(port)
        if ours is None or holder is None or holder.pid != ours.pid:
            raise _taken(port, holder)


def _end_all_in(namespace: str) -> None:
    """Kill what still lives in a namespace of ours: a daemon whose record was lost."""

    def gone() -> bool:
        pids = process.run(["ip", "netns", "pids", namespace]).stdout.split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return not pids

    process.wait_until(gone, timeout_s=KILL_TIMEOUT_S)


def _taken(port: int, holder: psutil.Process | None) -> Busy:
    name = ports.named(holder) or "another program"
    return Busy(f"port {port} of {LOOPBACK} is held by {name}", hint="Stop it, then try again.")
