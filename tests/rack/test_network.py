"""The role `network` on an emulated server: LACP, VLANs, a pulled cable, a change taken back."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.virtual.guest import Guest
from rehearsal.virtual.rack import VirtualRack
from tests.rack.bond import GATEWAY, HOST, PINGS, STORE, bonded, lost_when_pulled, play, state
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(900)]

LOST_AT_MOST = 3

CUT_OFF: dict[str, Any] = {
    **HOST,
    "nics": [*HOST["nics"], {"name": "mgmt0", "mac": "52:54:00:00:00:10"}],
    "addresses": [
        *HOST["addresses"],
        {"network": "management", "interface": "mgmt0", "address": "10.0.2.99"},
    ],
}
"""The management card gets an address at which nobody looks for it."""


@pytest.fixture(scope="module")
def guest(boot: Boot, rack: VirtualRack) -> Guest:
    return bonded(boot, rack)


def test_check_mode_before_the_first_run_changes_nothing(
    guest: Guest, playbooks: Playbooks
) -> None:
    before = guest.run("ls -R /etc /usr/local | sha256sum; ip -br link")
    played = play(playbooks, guest, "--check", "--diff")
    assert played.total("changed") == 1
    assert "+TransmitHashPolicy=layer3+4" in played.output
    assert guest.run("ls -R /etc /usr/local | sha256sum; ip -br link") == before


def test_the_first_run_brings_bond_vlan_and_addresses(guest: Guest, playbooks: Playbooks) -> None:
    played = play(playbooks, guest)
    assert "2 peers reached at full size" in played.output
    found = state(guest)
    bond = found["bonds"]["bond0"]
    assert bond["ports"] == 2
    assert (bond["hash"], bond["rate"], bond["miimon_ms"]) == ("layer3+4", "fast", 100)
    assert bond["partner"] != "00:00:00:00:00:00"
    assert found["links"]["bond0.20"]["addresses"] == ["10.79.20.4/24"]
    assert {
        each["mtu"] for name, each in found["links"].items() if name[:4] in ("data", "bond")
    } == {9000}
    assert "RX:\t\t128" in guest.run("ethtool -g data0").rpartition("Current")[2]


def test_interrupts_and_queues_are_on_the_cards_own_processor(guest: Guest) -> None:
    affinity = state(guest)["affinity"]
    assert len(affinity) >= 4
    assert set(affinity.values()) == {"0"}


def test_replies_leave_through_the_router_of_their_own_network(guest: Guest) -> None:
    def via(source: str) -> str:
        return guest.run(f"ip route get 203.0.113.1 from {source}")

    assert f"via {GATEWAY} dev bond0" in via("10.79.0.4")
    assert f"via {STORE} dev bond0.20" in via("10.79.20.4")
    assert "dev bond0 " in guest.run("ip route get 10.79.0.9 from 10.79.20.4")


def test_a_second_run_changes_nothing(guest: Guest, playbooks: Playbooks) -> None:
    assert play(playbooks, guest).total("changed") == 0


@pytest.mark.parametrize("slot", [0, 1])
def test_a_pulled_cable_costs_three_pings_at_most(guest: Guest, slot: int) -> None:
    lost = lost_when_pulled(guest, slot)
    print(f"lost {lost} of {PINGS}")
    assert lost <= LOST_AT_MOST


def test_a_pulled_cable_is_named(guest: Guest, playbooks: Playbooks) -> None:
    guest.unplug_cable(1)
    try:
        played = play(playbooks, guest, check=False, network_wait_s=5)
    finally:
        guest.plug_cable(1)
    assert played.returncode != 0
    assert "bond0: 1 of 2 ports carry traffic" in played.output
    assert "member data1 is down or missing" in played.output


def test_a_change_that_cuts_the_host_off_is_taken_back_by_the_host(
    guest: Guest, playbooks: Playbooks
) -> None:
    before = guest.run("cat /etc/systemd/network/05-landfall-* | sha256sum")
    played = play(playbooks, guest, host=CUT_OFF, check=False, network_restore_s=45)
    assert played.returncode != 0
    assert "the host has taken the change back and is reached as before" in played.output
    assert guest.run("cat /etc/systemd/network/05-landfall-* | sha256sum") == before
    assert "10.0.2.15" in guest.run("ip -br address show mgmt0")
    assert "10.0.2.99" not in guest.run("ip -br address show mgmt0")
    assert state(guest)["bonds"]["bond0"]["ports"] == 2
    assert not guest.run("ls /var/lib/landfall/network/armed.json 2>/dev/null; true")


def test_a_host_restarted_before_the_change_is_confirmed_takes_it_back(
    guest: Guest, playbooks: Playbooks
) -> None:
    """What is wanted still lies there from the test before; nobody will come to confirm it."""
    guest.run("sync; /usr/local/libexec/landfall/network apply 3600; sync")
    guest.restart()
    assert "10.0.2.15" in guest.run("ip -br address show mgmt0")
    assert play(playbooks, guest).returncode == 0  # and the right network goes on from there
    assert state(guest)["bonds"]["bond0"]["ports"] == 2
