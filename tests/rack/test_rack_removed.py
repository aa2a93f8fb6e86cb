"""Nothing of a rack stays: no process, namespace or mount, also where its maker was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from landfall import process
from rehearsal.door import NAMESPACES
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from rehearsal.virtual.rack import VirtualRack
from tests.rack.conftest import rack_named, remove

pytestmark = [
    pytest.mark.rack,
    pytest.mark.short,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("rack"),
]


def traces(rack: VirtualRack) -> list[str]:
    """What of the rack is left on this machine."""
    found = [str(path) for path in [NAMESPACES / rack.namespace, rack.state] if path.exists()]
    mounts = Path("/proc/self/mountinfo").read_text()
    found += [line for line in mounts.splitlines() if str(rack.state) in line]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(rack.state) in command or rack.namespace in command:
            found.append(command)
    return found


def powered(rack: VirtualRack, name: str) -> Guest:
    """A server with power, volatile caches and a TPM, that has not yet booted."""
    guest = rack.guest(server(name, disk_mib=64, volatile_caches=True, tpm=True))
    guest.power_on()
    return guest


def test_a_rack_goes_without_a_trace() -> None:
    other = rack_named(f"{os.getpid()}-gone")
    try:
        other.up()
        guest = powered(other, "gn-1")
        assert len(traces(other)) >= 10  # folder, namespace, server, five caches, TPM, switch
        for name in ("server", "tpm", "cache-root"):
            daemon = process.recorded(guest.record(name))
            assert daemon is not None
            if name != "tpm":  # which ends by itself, with its server
                os.kill(daemon.pid, signal.SIGKILL)
        remove(other)
        assert traces(other) == []
        other.up()  # and can be made again
        assert other.switch.shown("show")
    finally:
        remove(other)
    assert traces(other) == []


def test_a_killed_run_is_cleaned_up_by_the_next() -> None:
    """The records outlive whoever wrote them: another process takes the rack down."""
    left = rack_named(f"{os.getpid()}-left")
    child = os.fork()
    if child == 0:
        try:
            left.up()
            powered(left, "lf-1")
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        assert left.guest(server("lf-1", disk_mib=64, volatile_caches=True, tpm=True)).running
    finally:
        remove(left)
    assert traces(left) == []
