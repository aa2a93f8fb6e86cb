"""How a VPC's network is divided: the same plan in every environment, from one prefix."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRanges:
    """One zone's part of a VPC.

    Attributes:
        private: machines, endpoints, load balancers; half of the zone's part.
        isolated: databases and file systems; an eighth.
        attachment: where the transit gateway stands; a /28, as its guide advises.
    """

    private: IPv4Network
    isolated: IPv4Network
    attachment: IPv4Network


ATTACHMENT_PREFIX = 28
"""The smallest subnet there is, and enough (transit gateway design best practices)."""


RESOLVER_HOST = 10
"""AWS keeps the first four addresses of a subnet (Amazon VPC guide)."""


def divide(cidr: IPv4Network, zones: int) -> tuple[ZoneRanges, ...]:
    """A part for each of up to three zones. A quarter of the network stays free."""
    return tuple(_part(quarter) for quarter in list(cidr.subnets(prefixlen_diff=2))[:zones])


def resolver_addresses(cidr: IPv4Network) -> tuple[IPv4Address, ...]:
    """Where names are asked for: a fixed address in the first two zones' private subnets."""
    return tuple(part.private[RESOLVER_HOST] for part in divide(cidr, 2))


def _part(quarter: IPv4Network) -> ZoneRanges:
    private, rest = quarter.subnets(prefixlen_diff=1)
    isolated, *_, last = rest.subnets(prefixlen_diff=2)
    attachment = list(last.subnets(new_prefix=ATTACHMENT_PREFIX))[-1]
    return ZoneRanges(private=private, isolated=isolated, attachment=attachment)
