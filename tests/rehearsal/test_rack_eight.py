"""Eight booted hosts side by side, each with a name, an address and a firewall of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from landfall import process
from landfall.model.environment import cache_folder
from rehearsal import packages, rootfs
from rehearsal.rack import Forward, Rack, RackHost
from tests.loopback import free_port

pytestmark = [pytest.mark.host, pytest.mark.timeout(300)]

HOSTS = tuple(RackHost(name=f"n-{number}", address=f"10.83.0.1{number}") for number in range(8))


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rack]:
    wheelhouse = tmp_path_factory.mktemp("served") / "wheelhouse"
    wheelhouse.mkdir()
    made = Rack(
        state=tmp_path_factory.mktemp("eight"),
        hosts=HOSTS,
        subnet=IPv4Network("10.83.0.0/24"),
        namespace=f"landfall-eight-{os.getpid()}",
        forwards=[Forward(port=free_port(), address=each.address, target=22) for each in HOSTS],
    )
    try:
        made.up(
            rootfs=rootfs.ensure(cache_folder(), print),
            repository=packages.ensure_repository(cache_folder(), print),
            wheelhouse=wheelhouse,
        )
        yield made
    finally:
        made.down()


def on(rack: Rack, host: RackHost, command: str) -> str:
    return process.run([*rack.ssh(host.name), command], timeout_s=60).stdout


def test_all_eight_are_up_and_whole(rack: Rack) -> None:
    assert rack.status().hosts == {host.name: True for host in HOSTS}
    said = [on(rack, host, "hostname; systemctl is-system-running").split() for host in HOSTS]
    assert said == [[host.name, "running"] for host in HOSTS]


def test_they_reach_each_other_and_each_has_its_own_firewall(rack: Rack) -> None:
    first, second, third = HOSTS[:3]
    on(
        rack,
        second,
        "nft 'add table inet closed; add chain inet closed in { type filter hook "
        "input priority 0; }; add rule inet closed in icmp type echo-request drop'",
    )
    ask = "ping -c1 -W1 {} >/dev/null && echo open || echo closed"
    assert on(rack, first, ask.format(second.address)) == "closed\n"
    assert on(rack, first, ask.format(third.address)) == "open\n"


def test_each_has_its_own_machine_id(rack: Rack) -> None:
    assert len({on(rack, host, "cat /etc/machine-id") for host in HOSTS}) == len(HOSTS)
