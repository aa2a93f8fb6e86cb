"""What may cross the link, between the site's networks and the cloud, as an edge forwards it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from landfall.model.network import CLOUD, HOSTS, Flow
from landfall.model.site import Site

DNS = 53
"""RFC 1035."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """One kind of connection that an edge lets through.

    Attributes:
        outward: begun at the site, towards the cloud; else begun in the cloud.
        ranges: the site's addresses that take part.
        protocol: tcp or udp.
        ports: at the end that is asked.
        asked: the cloud's addresses that are asked; empty for all of them.
    """

    outward: bool
    ranges: tuple[IPv4Network, ...]
    protocol: str
    ports: tuple[int, ...]
    why: str
    asked: tuple[IPv4Address, ...] = ()


def crossings(
    site: Site, *, hosts: Sequence[IPv4Address], resolvers: Sequence[IPv4Address] = ()
) -> tuple[Crossing, ...]:
    """The flows that have the cloud at one end; and names, where the cloud answers for them.

    Args:
        site: with its flows.
        hosts: the addresses of the site's hosts; without any, all of the site's networks.
        resolvers: the cloud's name servers, which whoever is at the site may ask.
    """
    found = [each for flow in site.flows for each in _crossing(site, flow, hosts)]
    if resolvers:
        found += [
            Crossing(
                outward=True,
                ranges=tuple(site.ranges.values()),
                protocol=protocol,
                ports=(DNS,),
                why="names of the cloud",
                asked=tuple(resolvers),
            )
            for protocol in ("tcp", "udp")
        ]
    return tuple(found)


def _crossing(site: Site, flow: Flow, hosts: Sequence[IPv4Address]) -> Iterator[Crossing]:
    if CLOUD not in (flow.source, flow.target):
        return
    outward = flow.target == CLOUD
    here = flow.source if outward else flow.target
    everywhere = tuple(site.ranges.values())
    if here == HOSTS:
        ranges = tuple(collapse_addresses(IPv4Network(each) for each in hosts)) or everywhere
    else:
        ranges = (site.ranges[here],)
    for protocol, ports in (("tcp", flow.tcp), ("udp", flow.udp)):
        if ports:
            yield Crossing(
                outward=outward, ranges=ranges, protocol=protocol, ports=ports, why=flow.why
            )
