"""The switch is a real LACP partner: a bond comes up, and survives a pulled cable."""

from __future__ import annotations

import re

import pytest

from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Cable, server
from rehearsal.virtual.rack import VirtualRack
from rehearsal.virtual.switch import BRIDGE
from tests.rack.conftest import Boot, Wait

pytestmark = [pytest.mark.rack, pytest.mark.timeout(600)]

FILES = {
    "20-bond0.netdev": (
        "[NetDev]\nName=bond0\nKind=bond\nMTUBytes=9000\n"
        "[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\nLACPTransmitRate=fast\n"
        "TransmitHashPolicy=layer3+4\n"
    ),
    "20-storage.netdev": "[NetDev]\nName=storage\nKind=vlan\nMTUBytes=9000\n[VLAN]\nId=20\n",
    "20-ports.network": "[Match]\nMACAddress={macs}\n[Network]\nBond=bond0\n",
    "20-bond0.network": ("[Match]\nName=bond0\n[Network]\nAddress=10.77.0.4/24\nVLAN=storage\n"),
    "20-storage.network": "[Match]\nName=storage\n[Network]\nAddress=10.77.20.4/24\n",
}
"""What a bond and a VLAN on it need, below /etc/systemd/network."""


def write(files: dict[str, str], macs: str) -> str:
    lines = [
        f"cat > /etc/systemd/network/{name} <<'END'\n{text.replace('{macs}', macs)}END"
        for name, text in files.items()
    ]
    return "\n".join([*lines, "networkctl reload"])


@pytest.fixture(scope="module")
def guest(boot: Boot, rack: VirtualRack) -> Guest:
    made = boot.clone(server("nw-1", number=4))
    rack.switch.address(BRIDGE, "10.77.0.254/24")
    rack.switch.address("storage", "10.77.20.254/24", vlan=20)
    made.run(write(FILES, " ".join(nic.mac for nic in made.hardware.nics)))
    return made


def answered(guest: Guest, address: str, *, count: int = 3, options: str = "") -> int:
    command = f"ping -M do -s 8972 -i 0.1 -W 1 -c {count} {options} {address}"
    said = guest.run(f"{command}; true")
    found = re.search(r"(\d+) received", said)
    return int(found[1]) if found else 0


@pytest.mark.short
def test_a_bond_negotiates_with_the_switch(
    guest: Guest, rack: VirtualRack, eventually: Wait
) -> None:
    eventually(lambda: answered(guest, "10.77.0.254") == 3)  # jumbo frames, not fragmented
    shown = guest.run("cat /proc/net/bonding/bond0")
    assert "Number of ports: 2" in shown
    assert "Partner Mac Address: 00:00:00:00:00:00" not in shown
    state = rack.switch.bond_state("bond-nw-1")
    assert "lacp_status: negotiated" in state
    assert state.count(": enabled") == 2


@pytest.mark.short
def test_vlans_are_kept_apart(guest: Guest, rack: VirtualRack, eventually: Wait) -> None:
    eventually(lambda: answered(guest, "10.77.20.254") == 3)
    rack.switch.address("other", "10.77.30.254/24", vlan=30)
    guest.run("ip address add 10.77.30.4/24 dev storage")
    assert answered(guest, "10.77.30.254") == 0  # same addresses, another VLAN


@pytest.mark.short
def test_a_pulled_cable_costs_three_pings_at_most(guest: Guest, eventually: Wait) -> None:
    for slot in range(2):
        guest.run("ping -q -M do -s 8972 -i 0.1 -c 60 10.77.0.254 > /run/pinged 2>&1 &")
        guest.run("sleep 1")
        guest.unplug_cable(slot)
        eventually(lambda: "received" in guest.run("cat /run/pinged"))
        found = re.search(r"(\d+) received", guest.run("cat /run/pinged"))
        assert found is not None
        assert 60 - int(found[1]) <= 3
        assert "Number of ports: 1" in guest.run("cat /proc/net/bonding/bond0")
        guest.plug_cable(slot)
        eventually(lambda: "Number of ports: 2" in guest.run("cat /proc/net/bonding/bond0"))


def test_two_servers_meet_on_the_wan(boot: Boot, rack: VirtualRack, eventually: Wait) -> None:
    edge = boot.clone(server("nw-2", number=5, cable=Cable.WAN))
    edge.run("ip link set ens9 up; ip address add 10.99.0.1/24 dev ens9")
    eventually(lambda: answered(edge, "10.99.0.254", options="-s 1000") == 3)
