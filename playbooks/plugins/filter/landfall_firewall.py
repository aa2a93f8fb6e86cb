"""What a host's firewall lets pass: a pure function of the site's networks, flows and services.

A plan has one zone for each network, `cloud` for the VPC, and `elsewhere` for every other
address. A zone holds the rules for new connections from it (`incoming`) and to it (`outgoing`);
what no rule names is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Any
from urllib.parse import urlsplit

HOSTS, CLOUD, ELSEWHERE = "hosts", "cloud", "elsewhere"
ANYWHERE = IPv4Network("0.0.0.0/0")

COMMENT_BYTES = 120
"""nftables keeps at most 128 bytes of a comment (NFTNL_UDATA_COMMENT_MAXLEN)."""

DNS, BGP = (("udp", 53), ("tcp", 53)), (("tcp", 179),)
"""RFC 1035 and RFC 4271."""

SERVICE_PORTS = {"dns": DNS, "ntp": (("udp", 123),), "resolvers": DNS}
"""The cloud's resolvers are asked like name servers of the site. NTP: RFC 5905."""

OTHER_EDGE, NAMES = "BGP with another edge of the site", "names of the cloud"

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """New connections that may pass. No sources or targets means: all of the zone's."""

    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    protocol: str
    ports: tuple[int, ...]
    why: str

    def covers(self, source: IPv4Address, target: IPv4Address, protocol: str, port: int) -> bool:
        """Whether it lets this connection pass."""
        return (
            (protocol, port in self.ports) == (self.protocol, True)
            and (not self.sources or any(source in IPv4Network(each) for each in self.sources))
            and (not self.targets or any(target in IPv4Network(each) for each in self.targets))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """Addresses that are treated alike, and what may come from them and go to them."""

    name: str
    ranges: tuple[str, ...]
    incoming: tuple[Rule, ...]
    outgoing: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one host stands: the parts of its inventory that decide its rules."""

    networks: Mapping[str, IPv4Network]
    own: Mapping[str, tuple[str, ...]]
    peers: tuple[IPv4Address, ...]
    cloud: tuple[IPv4Network, ...]

    def peers_in(self, ranges: Iterable[IPv4Network]) -> tuple[str, ...]:
        """The site's hosts that stand in `ranges`."""
        wanted = tuple(ranges)
        return tuple(str(each) for each in self.peers if any(each in net for net in wanted))

    def ranges(self, zone: str) -> tuple[IPv4Network, ...]:
        """The addresses of a zone; none for `elsewhere`, which is what is left over."""
        if zone == CLOUD:
            return self.cloud
        return (self.networks[zone],) if zone in self.networks else ()

    def zone_of(self, address: IPv4Address) -> str:
        """The zone that an address belongs to."""
        for name in (*self.networks, CLOUD):
            if any(address in each for each in self.ranges(name)):
                return name
        return ELSEWHERE


def firewall_plan(
    networks: Mapping[str, Any],
    flows: Sequence[Mapping[str, Any]],
    addresses: Sequence[Mapping[str, Any]],
    hosts: Sequence[str] = (),
    cloud: Sequence[str] = (),
    services: Mapping[str, Any] | None = None,
    routes: bool = False,
    resolvers: Sequence[str] = (),
    edges: Sequence[str] = (),
    listen: Sequence[str] = (),
) -> dict[str, Any]:
    """The zones, the rules between networks that this host forwards, and what is wrong.

    Args:
        networks: of the site, by name, each with its `range`.
        flows: what may pass: `from`, `to`, `tcp`, `udp`, `why`.
        addresses: of this host: `network` and `address`.
        hosts: the addresses of all hosts of the site.
        cloud: the ranges at the other end of the link.
        services: of the site; those that are given by address may be asked without a flow.
        routes: whether this host forwards for others, as an edge does.
        resolvers: the cloud's name servers.
        edges: addresses of the site's other edges, which tell this one their routes.
        listen: this host's addresses at which the site asks for the cloud's names.

    Returns:
        `zones`, `forward`, `attached` (the ranges in which this host stands), `problems` (one
        line each, with its path; nothing may be applied when there is one) and `names` (services
        that are known by name, which only a flow can let pass).
    """
    problems = list(_problems(networks, flows, addresses))
    if problems:
        return {"zones": [], "forward": [], "attached": [], "problems": problems, "names": []}
    place = _place(networks, addresses, hosts, cloud)
    asked, names = _services({**(services or {}), "resolvers": resolvers}, place)
    found = [
        Zone(
            name=name,
            ranges=tuple(map(str, place.ranges(name))),
            incoming=(*_incoming(name, flows, place), *_edge_is_asked(name, place, edges, listen)),
            outgoing=(
                *_outgoing(name, flows, place),
                *asked.get(name, ()),
                *_every(BGP, targets=_in_zone(edges, name, place), why=OTHER_EDGE),
            ),
        )
        for name in (*place.networks, *([CLOUD] if place.cloud else []), ELSEWHERE)
    ]
    return {
        "zones": [asdict(each) for each in found],
        "forward": [asdict(each) for each in (_forward(flows, place, resolvers) if routes else ())],
        "attached": [str(place.networks[name]) for name in place.own],
        "problems": [],
        "names": names,
    }


def _place(
    networks: Mapping[str, Any],
    addresses: Sequence[Mapping[str, Any]],
    hosts: Sequence[str],
    cloud: Sequence[str],
) -> Place:
    own: dict[str, tuple[str, ...]] = {}
    for each in addresses:
        own[each["network"]] = (*own.get(each["network"], ()), str(each["address"]))
    return Place(
        networks={name: IPv4Network(each["range"]) for name, each in networks.items()},
        own=own,
        peers=tuple(sorted({IPv4Address(each) for each in hosts})),
        cloud=tuple(IPv4Network(each) for each in cloud),
    )


def firewall_refusal(plan: Mapping[str, Any], connection: str, controllers: Sequence[str]) -> str:
    """Why a plan would lock out whoever configures the host; "" where it would not.

    Args:
        plan: of `firewall_plan`.
        connection: SSH_CONNECTION of the running connection: both addresses and ports; empty
            where it is not ssh.
        controllers: addresses to judge by instead of the connection's own.
    """
    words = connection.split()
    if not words and not controllers:
        return ""
    host, port = (words[2], int(words[3])) if words else ("", 22)
    for source in controllers or [words[0]]:
        target = host or _own_address(plan)
        if not firewall_lets_in(plan, source, target, port):
            return (
                f"the controller is {source}, and no flow lets it reach tcp {port} of {target}; "
                "add a flow to site.flows"
            )
    return ""


def firewall_lets_in(plan: Mapping[str, Any], source: str, target: str, port: int) -> bool:
    """Whether a new TCP connection to this host would be accepted."""
    return allows(plan, "incoming", source, target, "tcp", port)


def allows(
    plan: Mapping[str, Any], way: str, source: str, target: str, protocol: str, port: int
) -> bool:
    """Whether a plan lets a new connection pass; `way` is incoming or outgoing."""
    here, there = ip_address(source), ip_address(target)
    if here.is_loopback and there.is_loopback:
        return True
    if not isinstance(here, IPv4Address) or not isinstance(there, IPv4Address):
        return False
    far = here if way == "incoming" else there
    for zone in plan["zones"]:
        if any(far in IPv4Network(each) for each in zone["ranges"] or [ANYWHERE]):
            return any(Rule(**rule).covers(here, there, protocol, port) for rule in zone[way])
    return False


def _own_address(plan: Mapping[str, Any]) -> str:
    return str(IPv4Network(plan["attached"][0]).network_address) if plan["attached"] else "0.0.0.0"  # noqa: S104


def _problems(
    networks: Mapping[str, Any],
    flows: Sequence[Mapping[str, Any]],
    addresses: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    for name in networks:
        if name in (HOSTS, CLOUD, ELSEWHERE):
            yield f"site.networks.{name}: {name} has a meaning of its own; choose another name"
    if not addresses:
        yield "host.addresses: empty, so that no zone of this host is known; list its addresses"
    for index, each in enumerate(addresses):
        path = f"host.addresses.{index}"
        if each["network"] not in networks:
            yield f"{path}.network: no network {each['network']}; there are {', '.join(networks)}"
        elif IPv4Address(each["address"]) not in IPv4Network(networks[each["network"]]["range"]):
            wanted = networks[each["network"]]["range"]
            yield f"{path}.address: {each['address']} is not in {wanted} of {each['network']}"
    for index, flow in enumerate(flows):
        for side in ("from", "to"):
            if flow[side] not in (*networks, HOSTS, CLOUD):
                yield f"site.flows.{index}.{side}: no network {flow[side]}"


def _rules(
    flow: Mapping[str, Any], sources: tuple[str, ...], targets: tuple[str, ...]
) -> Iterator[Rule]:
    for protocol in ("tcp", "udp"):
        if ports := tuple(sorted(set(flow.get(protocol) or ()))):
            yield Rule(
                sources=sources,
                targets=targets,
                protocol=protocol,
                ports=ports,
                why=_comment(str(flow["why"])),
            )


def _incoming(zone: str, flows: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Rule]:
    for flow in flows:
        source, target = flow["from"], flow["to"]
        if target != HOSTS and target not in place.own:
            continue
        targets = place.own.get(target, ())
        if source == zone:
            yield from _rules(flow, (), targets)
        elif source == HOSTS and (peers := place.peers_in(place.ranges(zone))):
            yield from _rules(flow, peers, targets)


def _outgoing(zone: str, flows: Sequence[Mapping[str, Any]], place: Place) -> Iterator[Rule]:
    for flow in flows:
        source, target = flow["from"], flow["to"]
        if source != HOSTS and source not in place.own:
            continue
        sources = place.own.get(source, ())
        if target == zone:
            yield from _rules(flow, sources, ())
        elif target == HOSTS and (peers := place.peers_in(place.ranges(zone))):
            yield from _rules(flow, sources, peers)


def _every(
    ports: Iterable[tuple[str, int]],
    *,
    sources: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
    why: str,
) -> Iterator[Rule]:
    """A rule for each port; none where there is neither source nor target."""
    for protocol, port in ports if sources or targets else ():
        yield Rule(sources=sources, targets=targets, protocol=protocol, ports=(port,), why=why)


def _in_zone(addresses: Iterable[str], zone: str, place: Place) -> tuple[str, ...]:
    return tuple(each for each in addresses if place.zone_of(IPv4Address(each)) == zone)


def _edge_is_asked(
    zone: str, place: Place, edges: Sequence[str], listen: Sequence[str]
) -> Iterator[Rule]:
    """What an edge answers itself: other edges about routes, the site about the cloud's names."""
    yield from _every(BGP, sources=_in_zone(edges, zone, place), why=OTHER_EDGE)
    if zone in place.networks:
        yield from _every(DNS, targets=tuple(listen), why=NAMES)


def _forward(
    flows: Sequence[Mapping[str, Any]], place: Place, resolvers: Sequence[str]
) -> Iterator[Rule]:
    def side(name: str) -> tuple[str, ...]:
        peers = tuple(map(str, place.peers))
        return peers if name == HOSTS else tuple(map(str, place.ranges(name)))

    for flow in flows:
        sources, targets = side(flow["from"]), side(flow["to"])
        if sources and targets:
            yield from _rules(flow, sources, targets)
    if resolvers:
        everybody = tuple(map(str, place.networks.values()))
        yield from _every(DNS, sources=everybody, targets=tuple(resolvers), why=NAMES)


def _services(
    services: Mapping[str, Any], place: Place
) -> tuple[dict[str, tuple[Rule, ...]], list[str]]:
    """Rules for services that are known by address, by zone; and those known by name."""
    found: dict[str, tuple[Rule, ...]] = {}
    names = []
    for path, host, protocol, port in _asked(services):
        try:
            address = IPv4Address(host)
        except ValueError:
            names.append(f"site.services.{path}: {host}, {protocol} {port}")
            continue
        zone = place.zone_of(address)
        rule = Rule(targets=(host,), protocol=protocol, ports=(port,), why=f"services.{path}")
        found[zone] = (*found.get(zone, ()), rule)
    return found, names


def _asked(services: Mapping[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """Every service as path, host, protocol and port."""
    for path, ports in SERVICE_PORTS.items():
        for host in services.get(path) or ():
            yield from ((path, str(host), protocol, port) for protocol, port in ports)
    urls = [
        ("packages", services.get("packages") or {}),
        *(("tang", each) for each in services.get("tang") or ()),
    ]
    for path, each in urls:
        parts = urlsplit(str(each.get("url", "")))
        if parts.scheme in DEFAULT_PORTS and parts.hostname:
            yield path, parts.hostname, "tcp", parts.port or DEFAULT_PORTS[parts.scheme]
    if logs := services.get("logs"):
        yield "logs", str(logs["address"]), "tcp", int(logs["port"])
    if registry := services.get("registry"):
        host, _, port = str(registry).partition(":")
        yield "registry", host, "tcp", int(port or 443)


def _comment(text: str) -> str:
    """What of a sentence nftables can keep as a comment."""
    plain = re.sub(r'["\\\s]+', " ", text).strip()
    return plain.encode()[:COMMENT_BYTES].decode(errors="ignore")


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "firewall_plan": firewall_plan,
            "firewall_refusal": firewall_refusal,
            "firewall_lets_in": firewall_lets_in,
        }
