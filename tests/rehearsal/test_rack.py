"""The rack itself: up twice, killed in every part, and gone without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from filelock import FileLock

from landfall import process
from landfall.errors import Busy
from landfall.model.environment import cache_folder
from rehearsal import packages, rootfs
from rehearsal.door import NAMESPACES, Forward
from rehearsal.nspawn import cgroup_roots
from rehearsal.rack import Rack, RackHost, Status
from tests.loopback import free_port

pytestmark = pytest.mark.host

NAMESPACE = f"landfall-rack-{os.getpid()}"


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    hosts = [RackHost(name=f"t-{number}", address=f"10.85.0.1{number}") for number in (1, 2)]
    made = Rack(
        state=tmp_path_factory.mktemp("rack"),
        hosts=hosts,
        subnet=IPv4Network("10.85.0.0/24"),
        namespace=NAMESPACE,
        forwards=[Forward(port=free_port(), address=each.address, target=22) for each in hosts],
    )
    yield made
    made.down()


@pytest.fixture(scope="module")
def up(rack: Rack, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Status]:
    wheelhouse = tmp_path_factory.mktemp("served") / "wheelhouse"
    wheelhouse.mkdir()

    def bring_up() -> Status:
        rack.up(
            rootfs=rootfs.ensure(cache_folder(), print),
            repository=packages.ensure_repository(cache_folder(), print),
            wheelhouse=wheelhouse,
        )
        return rack.status()

    return bring_up


def pid_of(rack: Rack, name: str) -> int:
    return int(json.loads((rack.state / f"daemons/{name}.json").read_text())["pid"])


def traces(rack: Rack) -> list[str]:
    """What of the rack is left on this machine."""
    found = [str(path) for root in cgroup_roots() for path in root.glob(f"landfall/{NAMESPACE}")]
    found += [str(path) for path in [NAMESPACES / NAMESPACE] if path.exists()]
    mounts = Path("/proc/self/mountinfo").read_text()
    found += [line for line in mounts.splitlines() if str(rack.state) in line]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
        except OSError:
            continue
        if NAMESPACE in command or str(rack.state) in command:
            found.append(command.replace("\0", " "))
    return found


def test_up_twice_is_up_once(rack: Rack, up: Callable[[], Status]) -> None:
    assert up().up
    before = [pid_of(rack, name) for name in ("door", "packages", "host-t-1", "host-t-2")]
    assert up().up
    assert before == [pid_of(rack, name) for name in ("door", "packages", "host-t-1", "host-t-2")]


def test_hosts_are_who_they_say(rack: Rack) -> None:
    for host in rack.hosts:
        command = "hostname; cat /sys/class/net/host0/address; systemctl is-system-running"
        said = process.run([*rack.ssh(host.name), command]).stdout.split()
        assert said == [host.name, host.mac, "running"]
    pinned = rack.known_hosts.read_text()
    rack.known_hosts.write_text(pinned.replace("ssh-ed25519 ", "ssh-ed25519 AAAA", 1))
    try:
        assert process.run([*rack.ssh("t-1"), "true"], check=False).returncode == 255
    finally:
        rack.known_hosts.write_text(pinned)


def test_hosts_have_no_way_out(rack: Rack) -> None:
    command = "ping -c1 -W1 192.0.2.1 >/dev/null && echo out || echo closed"
    assert process.run([*rack.ssh("t-1"), command]).stdout == "closed\n"


@pytest.mark.parametrize("name", ["host-t-1", "door", "packages"])
def test_what_is_killed_comes_back(rack: Rack, up: Callable[[], Status], name: str) -> None:
    process.run([*rack.ssh("t-1"), "echo kept > /root/kept; sync"])
    os.kill(pid_of(rack, name), signal.SIGKILL)
    assert process.wait_until(lambda: not rack.status().up, timeout_s=5)
    assert up().up
    assert process.run([*rack.ssh("t-1"), "cat /root/kept"]).stdout == "kept\n"


def test_a_second_command_is_told_to_wait(rack: Rack, up: Callable[[], Status]) -> None:
    with FileLock(rack.state / "lock"), pytest.raises(Busy, match="another command is working"):
        up()


def test_down_leaves_nothing_even_after_kills(rack: Rack, up: Callable[[], Status]) -> None:
    for name in ("host-t-2", "door"):
        os.kill(pid_of(rack, name), signal.SIGKILL)
    assert len(traces(rack)) > 3
    rack.down()
    assert traces(rack) == []
    rack.down()
    assert up().up


def test_a_taken_port_is_named_with_its_holder(rack: Rack, up: Callable[[], Status]) -> None:
    rack.down()
    port = rack.forwards[0].port
    named = pytest.raises(Busy, match=rf"port {port} .*process {os.getpid()}")
    with socket.create_server(("127.0.0.1", port)), named:
        up()
    assert traces(rack) == []


def test_a_namespace_of_somebody_else_is_not_touched(rack: Rack, up: Callable[[], Status]) -> None:
    rack.down()
    process.run(["ip", "netns", "add", NAMESPACE])
    try:
        with pytest.raises(Busy, match="belongs to another rack"):
            up()
        rack.down()
        assert (NAMESPACES / NAMESPACE).exists()
    finally:
        process.run(["ip", "netns", "del", NAMESPACE])
