"""Site-to-Site VPN: tunnels, keys, lifetimes, numbers of autonomous systems."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline.constraints.view import View, words
from stacks.offline.vpn import RESERVED_INSIDE

CONNECTION = "aws:ec2/vpnConnection:VpnConnection"
CUSTOMER_GATEWAY = "aws:ec2/customerGateway:CustomerGateway"

TUNNELS = ("tunnel1", "tunnel2")
LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")
INSIDE_PREFIX = 30

KEY = re.compile(r"[A-Za-z1-9._][A-Za-z0-9._]{7,63}")
"""Site-to-Site VPN user guide, tunnel options: 8 to 64 characters, the first not 0."""

PHASE_1_S, PHASE_2_S = 28800, 3600
"""Lifetimes where none is given."""

RESERVED_ASN: Mapping[int, str] = {
    7224: "",
    9059: "eu-west-1",
    10124: "ap-northeast-1",
    17943: "ap-southeast-1",
}
"""Numbers that are Amazon's, and the region that has them ("" is every one)."""


def inside(view: View) -> Iterator[Problem]:
    """Each tunnel has a /30 of its own for its inner ends, none of those that AWS keeps."""
    seen: set[str] = set()
    for tunnel in TUNNELS:
        path, given = f"{tunnel}InsideCidr", view.get(f"{tunnel}InsideCidr")
        if not given:
            continue
        network = _network(given)
        if network is None or network.prefixlen != INSIDE_PREFIX:
            yield Problem(path=path, message=f"must be a /{INSIDE_PREFIX} inside {LINK_LOCAL}")
        elif given in RESERVED_INSIDE:
            yield Problem(path=path, message=f"AWS keeps {given} for itself; take another")
        elif given in seen:
            yield Problem(path=path, message="both tunnels have it; each needs its own")
        seen.add(given)


def _network(given: Any) -> ipaddress.IPv4Network | None:
    try:
        network = ipaddress.IPv4Network(given)
    except ValueError:
        return None
    return network if network.subnet_of(LINK_LOCAL) else None


def keys(view: View) -> Iterator[Problem]:
    """A pre-shared key has the characters that AWS takes."""
    for tunnel in TUNNELS:
        path = f"{tunnel}PresharedKey"
        given = view.get(path)
        if given and not KEY.fullmatch(str(given)):
            message = "must be 8 to 64 letters, digits, dots and underscores, not beginning with 0"
            yield Problem(path=path, message=message)


def lifetimes(view: View) -> Iterator[Problem]:
    """The inner association ends before the outer one, and is renewed in its second half."""
    for tunnel in TUNNELS:
        outer = view.get(f"{tunnel}Phase1LifetimeSeconds") or PHASE_1_S
        inner = view.get(f"{tunnel}Phase2LifetimeSeconds") or PHASE_2_S
        margin = view.get(f"{tunnel}RekeyMarginTimeSeconds")
        if inner >= outer:
            message = f"must be below {tunnel}Phase1LifetimeSeconds, {outer}"
            yield Problem(path=f"{tunnel}Phase2LifetimeSeconds", message=message)
        if margin is not None and margin > inner // 2:
            message = f"must be at most half of {tunnel}Phase2LifetimeSeconds, {inner // 2}"
            yield Problem(path=f"{tunnel}RekeyMarginTimeSeconds", message=message)


def gateway(view: View) -> Iterator[Problem]:
    """A connection ends at one gateway of AWS; the wide tunnels need a transit gateway."""
    ends = ("transitGatewayId", "vpnGatewayId")
    given = [name for name in ends if view.has(name)]
    if len(given) > 1:
        yield Problem(path="", message=f"must have one of {words(ends)}")
    if view.get("tunnelBandwidth") == "large" and "transitGatewayId" not in given:
        message = "large tunnels need a transit gateway"
        yield Problem(path="tunnelBandwidth", message=message)


def asn(view: View) -> Iterator[Problem]:
    """The customer's number is not one of Amazon's own."""
    for name in ("bgpAsn", "bgpAsnExtended"):
        given = view.get(name)
        number = int(given) if isinstance(given, str | int) and str(given).isdigit() else None
        where = RESERVED_ASN.get(number) if number is not None else None
        if where is not None and where in ("", view.region):
            message = f"{number} is Amazon's own{f' in {where}' if where else ''}; take another"
            yield Problem(path=name, message=message)


RULES = {
    CONNECTION: (inside, keys, lifetimes, gateway),
    CUSTOMER_GATEWAY: (asn,),
}
