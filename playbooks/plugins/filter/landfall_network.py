"""From a host's ports, bonds and addresses to its network's files, and what is wrong with it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.filters import plain, told_plainly
from landfall.model.environment import ROOT
from landfall.model.host import Host
from landfall.model.interfaces import Interface, interfaces
from landfall.model.parsing import parse
from landfall.model.site import Site
from landfall.render import render

PROGRAM = "/usr/local/libexec/landfall/network"
SCRIPT = ROOT / "playbooks/roles/network/files/network.py"
WANTED = "/var/lib/landfall/network/wanted/05-landfall-"
UNITS = ("landfall-network-unconfirmed.service", "landfall-network-tune.service")

NO_PARTNER = "00:00:00:00:00:00"
FULL_SPEED = 0.99
"""A port's speed is told in Mbit/s and promised in Gbit/s; what rounding takes is no difference."""


def read(host: Any, site: Any) -> tuple[Host, Site]:
    """Both, parsed again from what Ansible carries."""
    return (
        parse(Host, plain(host), source="landfall_host", root="host"),
        parse(Site, plain(site), source="landfall_site", root="site"),
    )


def network_files(host: Any, site: Any) -> dict[str, Any]:
    """What is to lie on a host, as `landfall_files` takes it: nothing of it is in effect yet."""
    parsed, its_site = read(host, site)
    found = interfaces(parsed, its_site)
    files = [file for each in found for file in _files(each)]
    for unit in UNITS:
        text = render(f"systemd/system/{unit}.j2", {"program": PROGRAM})
        files.append({"path": f"/etc/systemd/system/{unit}", "content": text})
    ports = [
        {"name": each.name, "numa_node": each.port.numa_node}
        for each in found
        if each.port is not None
    ]
    config = json.dumps({"ports": ports}, indent=2) + "\n"
    files.append({"path": "/etc/landfall/network.json", "content": config})
    files.append({"path": PROGRAM, "content": SCRIPT.read_text(), "mode": "0755"})
    return {"files": files, "only": [f"{WANTED}*"]}


def _files(interface: Interface) -> Iterator[dict[str, str]]:
    kinds = {
        "port.link": interface.port is not None,
        "bond.netdev": interface.bond is not None,
        "vlan.netdev": interface.vlan is not None,
        "interface.network": True,
    }
    for kind in [kind for kind, wanted in kinds.items() if wanted]:
        text = render(f"systemd/network/landfall-{kind}.j2", {"interface": interface})
        yield {"path": f"{WANTED}{interface.name}.{kind.partition('.')[2]}", "content": text}


def network_peers(host: Any, site: Any, others: Sequence[Any]) -> list[str]:
    """Whom packets of each network's full size must reach, as ADDRESS/BYTES.

    The network's router where it has one, else the first of the other hosts that is in it.
    """
    parsed, its_site = read(host, site)
    everybody = [read(each, site)[0] for each in others]
    found = []
    for each in parsed.addresses:
        network = its_site.networks[each.network]
        near = [
            other.address
            for one in everybody
            for other in one.addresses
            if other.network == each.network and other.address != each.address
        ]
        target = network.gateway or (near[0] if near else None)
        if target is not None:
            found.append(f"{target}/{network.mtu}")
    return list(dict.fromkeys(found))


def network_problems(state: Mapping[str, Any], host: Any, site: Any) -> list[str]:
    """What of a host's network is not as it was promised, each in a line; empty where all is."""
    parsed, its_site = read(host, site)
    found: list[str] = []
    for each in interfaces(parsed, its_site):
        link = state["links"].get(each.name)
        if link is None:
            found.append(f"{each.name}: there is no such interface")
            continue
        found += [f"{each.name}: {problem}" for problem in _link(each, link)]
        if each.bond is not None:
            bond = state["bonds"].get(each.name)
            problems = _bond(each, bond) if bond else ["is not a bond"]
            found += [f"{each.name}: {problem}" for problem in problems]
    for address, reached in state["peers"].items():
        if not reached["any"]:
            found.append(f"{address}: answers no ping")
        elif not reached["mtu"]:
            found.append(
                f"{address}: answers small pings and none of the network's full size; "
                "a switch or the other end has a smaller MTU"
            )
    return found


def _link(wanted: Interface, link: Mapping[str, Any]) -> Iterator[str]:
    if not link["up"]:
        yield "has no carrier"
    if link["mtu"] != wanted.mtu:
        yield f"MTU {link['mtu']}; {wanted.mtu} is wanted"
    speed = wanted.port.speed_gbps if wanted.port else None
    if speed and link["speed_gbps"] is not None and link["speed_gbps"] < speed * FULL_SPEED:
        yield f"runs at {link['speed_gbps']:g} Gbit/s; {speed} are promised"
    there = {IPv4Interface(each) for each in link["addresses"] if ":" not in each}
    for each in wanted.placed:
        if each.address not in there:
            yield f"has no address {each.address} ({each.network})"


def _bond(wanted: Interface, bond: Mapping[str, Any]) -> Iterator[str]:
    assert wanted.bond is not None  # only called for bonds
    if bond["partner"] in ("", NO_PARTNER):
        yield "the switch does not speak LACP on these ports (partner 00:00:00:00:00:00)"
    members = wanted.bond.members
    if bond["ports"] != len(members):
        together = {each["aggregator"] for each in bond["members"].values()}
        why = ", in different aggregators" if len(together) > 1 else ""
        yield f"{bond['ports']} of {len(members)} ports carry traffic{why}"
    for name in members:
        if not bond["members"].get(name, {}).get("up"):
            yield f"member {name} is down or missing"
    for field, value in (
        ("hash", wanted.bond.hash),
        ("rate", wanted.bond.lacp_rate),
        ("miimon_ms", wanted.bond.miimon_ms),
    ):
        if bond[field] != value:
            yield f"{field} is {bond[field]}; {value} is wanted"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        every = (network_files, network_peers, network_problems)
        return {each.__name__: told_plainly(each) for each in every}
