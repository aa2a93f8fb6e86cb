"""A server with a bond of two cables, made by the role `network`; and what a pulled one costs."""

from __future__ import annotations

import json
import re
from typing import Any

from landfall import process
from landfall.model.host import Host
from landfall.model.site import Site
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from rehearsal.virtual.rack import VirtualRack
from rehearsal.virtual.switch import BRIDGE
from tests.rack.conftest import Boot, Playbooks, Played

GATEWAY, STORE = "10.79.0.254", "10.79.20.254"
PINGS, EVERY_S = 80, 0.1

SITE: dict[str, Any] = {
    "name": "racked",
    "networks": {
        "serving": {"range": "10.79.0.0/24", "mtu": 9000, "gateway": GATEWAY},
        "storage": {"range": "10.79.20.0/24", "vlan": 20, "mtu": 9000, "gateway": STORE},
        "management": "10.0.2.0/24",
    },
    "edges": [
        {
            "name": "edge-a", "address": "198.51.100.20", "asn": 65030,
            "inside": ["169.254.30.0/30", "169.254.31.0/30"],
        }
    ],
    "link": {},
}  # fmt: skip

HOST: dict[str, Any] = {
    "cpu": {"min_cores": 1},
    "memory_gib": {"min": 1},
    "os": {"distribution": "Debian", "release": "12"},
    "nics": [
        {
            "name": f"data{slot}", "mac": f"52:54:00:00:21:0{slot}", "speed_gbps": 25,
            "numa_node": 0, "mtu": 9000, "rings": 128,
        }
        for slot in range(2)
    ],
    "bonds": [{"name": "bond0", "members": ["data0", "data1"], "mtu": 9000}],
    "addresses": [
        {"network": "serving", "interface": "bond0", "address": "10.79.0.4"},
        {"network": "storage", "interface": "bond0", "address": "10.79.20.4"},
    ],
}  # fmt: skip


def bonded(boot: Boot, rack: VirtualRack) -> Guest:
    """The server, before the role was played, and its gateways on the switch."""
    made = boot.clone(server("nw-role", number=0x21))
    rack.switch.address(BRIDGE, f"{GATEWAY}/24")
    rack.switch.address("nwstore", f"{STORE}/24", vlan=20)
    return made


def play(
    playbooks: Playbooks, guest: Guest, *words: str, host: dict[str, Any] = HOST, **options: Any
) -> Played:
    check = options.pop("check", True)
    variables = {"landfall_host": Host.model_validate(host).model_dump(mode="json", by_alias=True)}
    site = Site.model_validate(SITE).model_dump(mode="json", by_alias=True)
    return playbooks.play(
        "network.yml",
        *words,
        hosts={guest: variables},
        values={"landfall_site": site, **options},
        check=check,
    )


def state(guest: Guest) -> Any:
    return json.loads(guest.run("/usr/local/libexec/landfall/network state"))


def lost_when_pulled(guest: Guest, slot: int) -> int:
    """How many pings of full size are lost when a cable is pulled; it is plugged in again."""
    guest.run(f"ping -q -M do -s 8972 -i {EVERY_S} -c {PINGS} {GATEWAY} > /run/pinged 2>&1 &")
    guest.run("sleep 1")
    guest.unplug_cable(slot)
    try:
        said = guest.run("while pgrep -x ping > /dev/null; do sleep 0.2; done; cat /run/pinged")
        assert state(guest)["bonds"]["bond0"]["ports"] == 1
    finally:
        guest.plug_cable(slot)
    found = re.search(r"(\d+) received", said)
    assert found is not None, said
    both = process.wait_until(lambda: state(guest)["bonds"]["bond0"]["ports"] == 2, timeout_s=30)
    assert both
    return PINGS - int(found[1])
