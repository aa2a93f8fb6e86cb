"""An emulated server is what it promises: sockets, NUMA nodes, serials, Dell's name, packages."""

from __future__ import annotations

import pytest

from rehearsal import packages
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import bay_node, server, slot_node
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.short, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot(server("hw-1"))


def test_two_sockets_and_their_memory(guest: Guest) -> None:
    shown = guest.run("LC_ALL=C lscpu; numactl --hardware")
    said = {
        key.strip(): value.strip()
        for key, colon, value in (line.partition(":") for line in shown.splitlines())
        if colon
    }
    assert said["Socket(s)"] == "2"
    assert said["NUMA node(s)"] == "2"
    assert said["Model name"].startswith("Intel(R) Xeon(R) Platinum 8368")
    assert all(int(said[f"node {node} size"].split()[0]) > 900 for node in (0, 1))


def test_dmi_says_who_it_is(guest: Guest) -> None:
    keys = ("system-manufacturer", "system-product-name", "system-serial-number")
    said = guest.run("; ".join(f"dmidecode -s {key}" for key in keys)).splitlines()
    assert said == ["Dell Inc.", "PowerEdge R750xa", "HW-1"]
    assert guest.run("hostname; cat /etc/machine-id").split() == [
        "hw-1",
        guest.hardware.uuid.hex,
    ]


def test_disks_have_their_serials_on_their_nodes(guest: Guest) -> None:
    shown = guest.run("for n in /sys/class/nvme/nvme*; do cat $n/serial $n/device/numa_node; done")
    words = shown.split()
    found = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    assert found == {f"HW-1-NVME{bay}": bay_node(bay) for bay in range(4)}
    assert set(guest.serials().values()) == set(found)


def test_cards_have_their_addresses_on_their_nodes(guest: Guest) -> None:
    script = (
        "for n in /sys/class/net/en*; do "
        "echo $(cat $n/address $n/speed $(realpath $n/device)/../numa_node); done"
    )
    said = sorted(line.split() for line in guest.run(script).splitlines())
    assert [line[0] for line in said] == [nic.mac for nic in guest.hardware.nics]
    assert [line[-1] for line in said] == [str(slot_node(slot)) for slot in range(2)]


def test_it_has_no_way_out(guest: Guest) -> None:
    said = guest.run("timeout 3 bash -c 'echo > /dev/tcp/192.0.2.1/80' && echo out || echo closed")
    assert said == "closed\n"


def test_packages_of_the_roles_are_there_and_apt_agrees(guest: Guest) -> None:
    guest.run("apt-get -qq update")
    wanted = " ".join(packages.PACKAGES)
    said = guest.run(f"apt-get --simulate --no-install-recommends install {wanted}")
    assert "0 upgraded, 0 newly installed, 0 to remove" in said


def test_nothing_that_a_role_sets_up_runs(guest: Guest) -> None:
    units = "nginx chrony frr strongswan auditd rsyslog mdmonitor smartmontools tuned unbound"
    said = guest.run(f"systemctl is-active {units}; systemctl is-system-running", check=False)
    assert said.split() == ["inactive"] * len(units.split()) + ["running"]
