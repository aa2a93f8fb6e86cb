"""The site's end of the link: what each edge configures, from `site.link` and what the cloud told.

The cloud's end is made from the same `site.link` (`stacks.tunnels`); a test compares the two for
every environment. Ciphers are in strongSwan's spelling here, and in AWS's there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

from landfall.errors import InvalidInput, Problem
from landfall.model.link import (
    MTU_GCM,
    Authentication,
    Cipher,
    Encryption,
    Integrity,
    Link,
    LinkKind,
    Routing,
)
from landfall.model.site import TUNNELS_PER_EDGE, Edge, Site

CIPHERS = {Cipher.AES256_GCM: "aes256gcm16", Cipher.AES128_GCM: "aes128gcm16"}
PRFS = {
    Integrity.SHA2_256: "prfsha256",
    Integrity.SHA2_384: "prfsha384",
    Integrity.SHA2_512: "prfsha512",
}
GROUPS = {19: "ecp256", 20: "ecp384", 21: "ecp521"}
"""strongSwan's names (its documentation, IKEv2 cipher suites)."""

REKEY_MARGIN_S, REPLAY_WINDOW = 270, 1024
"""As the cloud's end has them (`stacks.tunnels`)."""

ETHERNET_MTU, NAT_T = 1500, 8
ESP_OVERHEAD = 20 + 8 + 8 + 16
"""Bytes around a packet: outer IPv4 header, ESP header (RFC 4303), initialisation vector and check
value of AES-GCM (RFC 4106); NAT traversal adds a UDP header (RFC 3948)."""

ESP_TRAILER, ESP_ALIGNMENT = 2, 4
TCP_IP_HEADERS = 40

DPD_DELAY_S = 10
RETRANSMIT_TRIES, RETRANSMIT_BASE = 4, 1.5
"""A message is sent again after growing pauses; together they fill what `dpd_timeout_s` leaves."""

BGP_KEEPALIVE_S, BGP_HOLD_S = 10, 30
"""What AWS's end of a Site-to-Site VPN offers; it has no BFD."""

PREFERENCE, PREFERENCE_STEP = 300, 10
MED_STEP, METRIC = 100, 100
ANNOUNCED_MAX = 100
"""Routes that AWS takes from one BGP session; one more closes it (Site-to-Site VPN quotas)."""


class Told(Protocol):
    """A tunnel of the handoff (`landfall.handoff.Tunnel`)."""

    @property
    def edge(self) -> str: ...  # noqa: D102
    @property
    def cloud_address(self) -> IPv4Address: ...  # noqa: D102
    @property
    def cloud_inside(self) -> IPv4Address: ...  # noqa: D102
    @property
    def site_inside(self) -> IPv4Address: ...  # noqa: D102
    @property
    def preshared_key_arn(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One tunnel of an edge.

    Attributes:
        name: of the tunnel, e.g. edge-a-1.
        interface: its interface on the edge; packets that are routed to it are encrypted.
        if_id: ties the interface to the tunnel's security associations.
        rank: 0 is the tunnel that carries the traffic while it is up, at the whole site.
        local_preference: of routes that it brings; the highest is used.
        prepends: how often the site's ASN is put in front again, so that AWS ranks alike.
        med: the same, for a peer that ignores the path's length.
        metric: of the static route through it, where there is no BGP.
        key: the ARN of the secret with its pre-shared key.
    """

    name: str
    number: int
    interface: str
    if_id: int
    cloud_address: IPv4Address
    cloud_inside: IPv4Address
    site_inside: IPv4Address
    rank: int
    key: str | None

    @property
    def local_preference(self) -> int:  # noqa: D102  see Attributes
        return PREFERENCE - PREFERENCE_STEP * self.rank

    @property
    def prepends(self) -> int:  # noqa: D102  see Attributes
        return self.rank

    @property
    def med(self) -> int:  # noqa: D102  see Attributes
        return MED_STEP * (self.rank + 1)

    @property
    def metric(self) -> int:  # noqa: D102  see Attributes
        return METRIC + self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Crypto:
    """Proposals in strongSwan's spelling; lifetimes and delays in seconds.

    The site changes keys before the cloud would: both use the same margin, the site all of it.
    """

    ike_proposal: str
    esp_proposal: str
    ike_rekey_s: int
    ike_over_s: int
    esp_rekey_s: int
    esp_life_s: int
    rekey_spread_s: int
    replay_window: int
    dpd_delay_s: int
    retransmit_timeout_s: float
    retransmit_base: float
    retransmit_tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgePlan:
    """Everything that one edge configures.

    Attributes:
        host: the inventory's name of it, where Landfall configures it.
        address: how the cloud knows it.
        local: where it sends from; another address than `address` behind a NAT.
        announced: the site's networks, and nothing else.
        accepted: the cloud's network, and nothing else.
        peers: other edges of the site, with which routes are exchanged.
    """

    name: str
    host: str | None
    address: IPv4Address
    local: IPv4Address
    asn: int
    cloud_asn: int
    routing: Routing
    authentication: Authentication
    tunnels: tuple[Tunnel, ...]
    crypto: Crypto
    mtu: int
    mss: int
    announced: tuple[IPv4Network, ...]
    accepted: IPv4Network
    peers: tuple[IPv4Address, ...] = ()


def crypto(link: Link) -> Crypto:
    """What both ends must agree on, in strongSwan's words."""
    cipher, group = CIPHERS[link.cipher], GROUPS[link.dh_group]
    early = 2 * REKEY_MARGIN_S
    pauses = sum(RETRANSMIT_BASE**n for n in range(RETRANSMIT_TRIES + 1))
    return Crypto(
        ike_proposal=f"{cipher}-{PRFS[link.integrity]}-{group}",
        esp_proposal=f"{cipher}-{group}",
        ike_rekey_s=link.ike_lifetime_s - early,
        ike_over_s=early,
        esp_rekey_s=link.esp_lifetime_s - early,
        esp_life_s=link.esp_lifetime_s,
        rekey_spread_s=REKEY_MARGIN_S,
        replay_window=REPLAY_WINDOW,
        dpd_delay_s=DPD_DELAY_S,
        retransmit_timeout_s=round((link.dpd_timeout_s - DPD_DELAY_S) / pauses, 2),
        retransmit_base=RETRANSMIT_BASE,
        retransmit_tries=RETRANSMIT_TRIES,
    )


def largest_packet(*, nat: bool, path_mtu: int = ETHERNET_MTU) -> int:
    """The largest packet, in bytes, that AES-GCM leaves room for on a path.

    1446 without and 1438 with NAT traversal on 1500 bytes, as the Site-to-Site VPN guide has it.
    """
    room = path_mtu - ESP_OVERHEAD - (NAT_T if nat else 0)
    return room // ESP_ALIGNMENT * ESP_ALIGNMENT - ESP_TRAILER


def plan(
    site: Site,
    told: Sequence[Told],
    *,
    vpc: IPv4Network,
    local: IPv4Address | None = None,
    peers: Sequence[IPv4Address] = (),
) -> tuple[EdgePlan, ...]:
    """What each edge configures, the preferred one first.

    Args:
        site: with its edges and its link.
        told: the handoff's tunnels.
        vpc: the network at the other end.
        local: where the edges send from, if that is not the address by which the cloud knows them.
        peers: addresses of the site's other edges, at the site.

    Raises:
        InvalidInput: with everything that keeps these tunnels from being configured.
    """
    problems = [*_problems(site, told, vpc)]
    if problems:
        raise InvalidInput("site.link", problems)
    return tuple(
        _edge(site, edge, told, rank=index * TUNNELS_PER_EDGE, vpc=vpc, local=local, peers=peers)
        for index, edge in enumerate(site.edges)
    )


def _edge(
    site: Site,
    edge: Edge,
    told: Sequence[Told],
    *,
    rank: int,
    vpc: IPv4Network,
    local: IPv4Address | None,
    peers: Sequence[IPv4Address],
) -> EdgePlan:
    address = edge.address
    if site.link.kind is LinkKind.DIRECT_CONNECT and edge.line_address is not None:
        address = edge.line_address
    mtu = _mtu(site.link, nat=local not in (None, address))
    tunnels = tuple(_tunnel(edge, each, number, rank) for number, each in _ordered(edge, told))
    return EdgePlan(
        name=edge.name,
        host=edge.host,
        address=address,
        local=local or address,
        asn=edge.asn,
        cloud_asn=site.link.cloud_asn,
        routing=site.link.routing,
        authentication=site.link.authentication,
        tunnels=tunnels,
        crypto=crypto(site.link),
        mtu=mtu,
        mss=min(site.link.mss, mtu - TCP_IP_HEADERS),
        announced=tuple(site.ranges.values()),
        accepted=vpc,
        peers=tuple(peers),
    )


def _tunnel(edge: Edge, told: Told, number: int, rank: int) -> Tunnel:
    return Tunnel(
        name=f"{edge.name}-{number}",
        number=number,
        interface=f"cloud{number}",
        if_id=number,
        cloud_address=told.cloud_address,
        cloud_inside=told.cloud_inside,
        site_inside=told.site_inside,
        rank=rank + number - 1,
        key=told.preshared_key_arn,
    )


def _ordered(edge: Edge, told: Sequence[Told]) -> Iterator[tuple[int, Told]]:
    """The edge's tunnels in the order of its inside ranges."""
    for number, inside in enumerate(edge.inside, start=1):
        for each in told:
            if each.edge == edge.name and each.site_inside in inside:
                yield number, each


def _mtu(link: Link, *, nat: bool) -> int:
    """What `site.link` says, or what the cipher leaves where it says nothing smaller."""
    return min(link.mtu, largest_packet(nat=nat)) if nat or link.mtu != MTU_GCM else link.mtu


def _problems(site: Site, told: Sequence[Told], vpc: IPv4Network) -> Iterator[Problem]:
    link = site.link
    if site.edge_owner == "landfall":
        yield from _not_configured(site)
    if link.mss > link.mtu - TCP_IP_HEADERS:
        message = f"{link.mss} does not fit an MTU of {link.mtu}: {link.mtu - TCP_IP_HEADERS}"
        yield Problem(path="site.link.mss", message=message)
    if len(site.networks) > ANNOUNCED_MAX:
        message = f"{len(site.networks)} networks; AWS takes {ANNOUNCED_MAX} routes"
        yield Problem(path="site.networks", message=message)
    for name, network in site.ranges.items():
        if network.overlaps(vpc):
            message = f"{network} overlaps the VPC, {vpc}"
            yield Problem(path=f"site.networks.{name}", message=message)
    for edge in site.edges if link.tunnelled else ():
        found = [each for _, each in _ordered(edge, told)]
        if len(found) != TUNNELS_PER_EDGE:
            message = (
                f"the handoff has {len(found)} of the {TUNNELS_PER_EDGE} tunnels of {edge.name}; "
                "bring the stack up, then run landfall handoff"
            )
            yield Problem(path="handoff.tunnels", message=message)
        wants_key = link.authentication is Authentication.PRESHARED_KEY
        if wants_key and any(each.preshared_key_arn is None for each in found):
            message = f"the handoff names no secret with the keys of {edge.name}"
            yield Problem(path="handoff.tunnels", message=message)


def _not_configured(site: Site) -> Iterator[Problem]:
    """What Landfall's own edges cannot do; the network team's can."""
    if site.link.kind is LinkKind.DIRECT_CONNECT:
        what = "MACsec" if site.link.encryption is Encryption.MACSEC else "its own BGP session"
        message = (
            f"direct_connect: the line with {what} is not configured on Landfall's edges; "
            "set edge_owner: others, and the parameter sheet says what the line needs"
        )
        yield Problem(path="site.link.kind", message=message)
    hosts = [edge.host for edge in site.edges if edge.host is not None]
    for host in sorted({each for each in hosts if hosts.count(each) > 1}):
        message = f"{host} is the host of more than one edge; each edge needs a host of its own"
        yield Problem(path="site.edges", message=message)
