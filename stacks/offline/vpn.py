"""The outputs of a VPN connection that depend on its own inputs and on its gateways.

Outside addresses come from the ranges set aside for documentation, so that a rehearsal can never
talk to somebody's router. Pre-shared keys do not exist here: AWS makes them and keeps them in
Secrets Manager, and a rehearsal has none to keep.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from stacks.offline.templates import Source
from stacks.offline.wire import Properties

OUTSIDE = {1: "198.51.100.", 2: "203.0.113."}
"""RFC 5737: TEST-NET-2 and TEST-NET-3, one for each tunnel."""

RESERVED_INSIDE = frozenset(
    {*(f"169.254.{third}.0/30" for third in range(6)), "169.254.169.252/30"}
)
"""Inside ranges that AWS refuses (Site-to-Site VPN user guide, tunnel options)."""

DEFAULT_ASN = 64512
"""Amazon's side of BGP where the gateway does not say otherwise."""

SECRETS_MANAGER = "SecretsManager"

KEYS_ARN = "arn:{partition}:secretsmanager:{region}:{account}:secret:s2svpn!{id}-{alnum6}"
"""The secret in which AWS keeps both keys. Its names begin with `s2svpn!` (AWS's own managed policy
for Site-to-Site VPN); the table leaves the rest open."""

HOSTS = 254
THIRDS, BLOCKS = 256, 64

Find = Callable[[str], Properties | None]
"""Finds the outputs of a resource of the same run by its id."""


def outputs(source: Source, find: Find) -> Properties:
    """What the two tunnels of a connection look like from both ends."""
    made: Properties = {"routes": [], "vgwTelemetries": []}
    for tunnel in (1, 2):
        made |= _tunnel(tunnel, source, find)
    return made


def _tunnel(tunnel: int, source: Source, find: Find) -> Properties:
    prefix = f"tunnel{tunnel}"
    given = source.names(f"{prefix}InsideCidr")
    inside = ipaddress.ip_network(given or _inside(tunnel, source), strict=False)
    static = source.names("staticRoutesOnly") is True
    return {
        f"{prefix}Address": _outside(tunnel, source, find),
        f"{prefix}InsideCidr": str(inside),
        f"{prefix}VgwInsideAddress": str(inside[1]),
        f"{prefix}CgwInsideAddress": str(inside[2]),
        f"{prefix}BgpAsn": "" if static else str(_asn(source, find)),
        f"{prefix}PresharedKey": source.names(f"{prefix}PresharedKey") or "",
    }


def _outside(tunnel: int, source: Source, find: Find) -> str:
    """An address of the tunnel's range that is not the site's own."""
    customer = _outputs(source, find, "customerGatewayId").get("ipAddress")
    number = _draw(source, f"tunnel{tunnel}.outside") % HOSTS
    for step in range(HOSTS):
        address = f"{OUTSIDE[tunnel]}{(number + step) % HOSTS + 1}"
        if address != customer:
            return address
    raise AssertionError("a range has more than one address")


def _inside(tunnel: int, source: Source) -> str:
    number = _draw(source, f"tunnel{tunnel}.inside") % (THIRDS * BLOCKS)
    while True:
        third, block = divmod(number % (THIRDS * BLOCKS), BLOCKS)
        network = f"169.254.{third}.{block * 4}/30"
        if network not in RESERVED_INSIDE:
            return network
        number += 1


def _asn(source: Source, find: Find) -> Any:
    for name in ("transitGatewayId", "vpnGatewayId"):
        found = _outputs(source, find, name).get("amazonSideAsn")
        if found:
            return found
    return DEFAULT_ASN


def _outputs(source: Source, find: Find, name: str) -> Mapping[str, Any]:
    return find(source.text(name) or "") or {}


def _draw(source: Source, label: str) -> int:
    return int(source.draw("hex", 8, label), 16)
