"""What is wrong with the link, as an edge tells it and as another host of the site sees it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any


def link_problems(state: Mapping[str, Any], edge: Mapping[str, Any]) -> list[str]:
    """What is wrong with an edge's tunnels now, each with the next step; empty where nothing is."""
    found: list[str] = []
    for tunnel in edge["tunnels"]:
        now = state["tunnels"].get(tunnel["name"], {})
        found += [f"{tunnel['name']}: {each}" for each in _tunnel_problems(now, tunnel, edge)]
    return found


def _tunnel_problems(
    now: Mapping[str, Any], tunnel: Mapping[str, Any], edge: Mapping[str, Any]
) -> Iterator[str]:
    if not now.get("child"):
        yield _why_down(now, tunnel, edge)
        return
    if now.get("nat") and edge["local"] == edge["address"]:
        yield (
            f"there is a NAT on the way to {tunnel['cloud_address']}, and packets of {edge['mtu']} "
            "bytes do not fit; set link_local_address to the address that the edge sends from"
        )
    if edge["routing"] == "bgp" and now.get("session") != "Established":
        yield (
            f"the tunnel is up, BGP with {tunnel['cloud_inside']} is "
            f"{now.get('session') or 'not configured'}; vtysh -c 'show bgp neighbors' says why"
        )
    elif edge["routing"] == "bgp" and not now.get("prefixes"):
        yield f"the cloud announces nothing that {edge['accepted']} contains"


def _why_down(now: Mapping[str, Any], tunnel: Mapping[str, Any], edge: Mapping[str, Any]) -> str:
    ends = f"{edge['local']} and {tunnel['cloud_address']}"
    if now.get("refused"):
        return (
            f"the two ends have different keys; {tunnel['key']} is what AWS uses, "
            "run playbooks/link.yml to read it again"
        )
    if now.get("no_proposal"):
        return (
            f"the cloud refuses {edge['crypto']['ike_proposal']}; "
            "bring the stack up, so that both ends are made from the same site.link"
        )
    if now.get("ike") == "ESTABLISHED":
        return f"known to each other, but nothing is encrypted between {ends}"
    return f"no answer between {ends}; UDP 500 and 4500 and protocol 50 must pass"


def link_findings(probe: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What a host cannot do over the link, of what it must; each with what it found."""
    found = [
        f"{address}: TCP port 53 does not answer ({why})"
        for address, why in probe["unreachable"].items()
    ]
    mtu = probe["mtu"]
    if mtu is not None and mtu < wanted["mtu"]:
        found.append(f"packets of {wanted['mtu']} bytes do not pass; the largest is {mtu}")
    for address, mss in probe["mss"].items():
        if mss > wanted["mss"]:
            found.append(f"{address}: segments of {mss} bytes are agreed; at most {wanted['mss']}")
    vpc = IPv4Network(wanted["vpc"])
    for name, answers in probe["names"].items():
        outside = [each for each in answers if IPv4Address(each) not in vpc]
        if outside or not answers:
            what = ", ".join(outside) or "nothing"
            found.append(f"{name}: the cloud's name servers answer {what}, not an address of {vpc}")
    return found


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"link_problems": link_problems, "link_findings": link_findings}
