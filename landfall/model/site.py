"""The place with the owned hardware, described once, in its inventory.

`inventories/<env>/group_vars/all/site.yml` holds one root key, `site`. Ansible reads it as
variables; Python reads the same file here, for the cloud half, without running Ansible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, field_validator

from landfall.errors import InvalidInput, Problem
from landfall.model.classification import MAY_LEAVE, Classification
from landfall.model.environment import Environment
from landfall.model.link import Authentication, Link, LinkKind, inside_range, private_asn
from landfall.model.network import (
    Flow,
    Name,
    Network,
    Operator,
    Services,
    problems_of_flows,
    problems_of_vlans,
)
from landfall.model.parsing import Written, parse, read_yaml

TUNNELS_PER_EDGE = 2
"""A Site-to-Site VPN connection has two tunnels."""


class Edge(Written):
    """A device of the site at which tunnels end.

    Attributes:
        name: of the device.
        address: its public address, to which tunnels over the internet lead.
        asn: of its BGP speaker.
        inside: the inside ranges of its two tunnels.
        certificate_arn: its certificate of a private CA, where tunnels use certificates.
        line_address: its address on a Direct Connect, where tunnels run inside one.
        host: the inventory's name of it, where Landfall configures it (`edge_owner: landfall`).
    """

    name: Name
    address: IPv4Address
    asn: int
    inside: tuple[IPv4Network, IPv4Network]
    certificate_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:acm:.+")] | None = None
    line_address: IPv4Address | None = None
    host: str | None = None

    @field_validator("asn")
    @classmethod
    def _asn(cls, asn: int) -> int:
        return private_asn(asn)

    @field_validator("address")
    @classmethod
    def _address(cls, address: IPv4Address) -> IPv4Address:
        if any(address in network for network in RFC1918):
            raise ValueError(f"{address} is a private address; AWS needs the edge's public one")
        return address

    @field_validator("inside")
    @classmethod
    def _inside(cls, inside: tuple[IPv4Network, IPv4Network]) -> tuple[IPv4Network, IPv4Network]:
        first, second = (inside_range(network) for network in inside)
        return first, second


RFC1918 = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


class Tenant(Written):
    """Who may ask the gateway, and how far the data of such a request may go.

    `key_secret` names the API key in the secrets manager; the key itself is in no file.
    """

    name: Name
    classification: Classification
    key_secret: str


class Overflow(Written):
    """Where requests may go when the site cannot answer. Absent means: nowhere."""

    address: str
    classifications: frozenset[Classification]

    @field_validator("classifications")
    @classmethod
    def _may_leave(cls, classes: frozenset[Classification]) -> frozenset[Classification]:
        kept = sorted(each.value for each in classes - MAY_LEAVE)
        if kept:
            raise ValueError(
                f"{', '.join(kept)} data never leaves the site; "
                "only public and internal may overflow"
            )
        return classes


class Site(Written):
    """The whole site: its networks, its edges, its end of the link, who may ask.

    Attributes:
        networks: by name; each is a zone of the firewall, too.
        flows: what may pass between zones and hosts; nothing else does.
        services: what hosts use at the site.
        operators: who may log in to hosts.
        escrow: the certificate (a file below the checkout) to which recovery keys of disks are
            encrypted; its private key is in a safe, not here.
        edges: the devices at which tunnels end, the preferred one first.
        edge_owner: who configures them: Landfall (`landfall`), or the network team (`others`).
        gateway_url: where the gateway is asked from the controller; a rehearsal knows its own.
    """

    name: Name
    networks: Annotated[Mapping[Name, Network], Field(min_length=1)]
    flows: tuple[Flow, ...] = ()
    services: Services = Services()
    operators: tuple[Operator, ...] = ()
    escrow: str | None = None
    edges: Annotated[tuple[Edge, ...], Field(min_length=1)]
    edge_owner: Literal["landfall", "others"] = "others"
    link: Link
    gateway_url: Annotated[str, Field(pattern=r"^https?://[\w.:-]+$")] | None = None
    tenants: tuple[Tenant, ...] = ()
    overflow: Overflow | None = None

    @property
    def ranges(self) -> dict[str, IPv4Network]:
        """The addresses of each network, by name."""
        return {name: network.range for name, network in self.networks.items()}

    def address_ranges(self) -> Iterator[tuple[str, IPv4Network]]:
        """Every range that is taken, with the path of the field that takes it."""
        for name, network in self.ranges.items():
            yield f"site.networks.{name}", network
        for index, edge in enumerate(self.edges):
            for side, network in enumerate(edge.inside):
                yield f"site.edges.{index}.inside.{side}", network
        if self.link.kind is LinkKind.DIRECT_CONNECT:
            if self.link.tunnelled:
                yield "site.link.transit_range", self.link.transit_range
            for index, line in enumerate(self.link.connections):
                yield f"site.link.connections.{index}.peering", line.peering


def load(environment: Environment) -> Site:
    """The site of an environment, from its inventory.

    Raises:
        InvalidInput: with every problem of the file.
    """
    path = environment.site_file
    source = str(path.relative_to(environment.root))
    written = read_yaml(path)
    if not isinstance(written, dict) or set(written) != {"site"}:
        raise InvalidInput(source, [Problem(path="", message="must have the one key `site`")])
    site = parse(Site, written["site"], source=source, root="site")
    problems = [
        *_overlaps(site),
        *_duplicates(site),
        *_link_ends(site),
        *problems_of_flows(site.flows, set(site.networks)),
        *problems_of_vlans(dict(site.networks)),
        *_escrow(site, environment),
    ]
    if problems:
        raise InvalidInput(source, problems)
    return site


def _overlaps(site: Site) -> Iterator[Problem]:
    for (path, network), (other_path, other) in combinations(site.address_ranges(), 2):
        if network.overlaps(other):
            yield Problem(path=other_path, message=f"{other} overlaps {network} of {path}")


def _escrow(site: Site, environment: Environment) -> Iterator[Problem]:
    """What a certificate must not be; whether it is one, whoever encrypts to it sees."""
    if site.escrow is None:
        return
    path = environment.root / site.escrow
    if not path.is_file():
        yield Problem(path="site.escrow", message=f"no file {site.escrow} below the checkout")
    elif b"PRIVATE KEY" in path.read_bytes():
        message = (
            f"{site.escrow} holds a private key; keep that in a safe, and the certificate here"
        )
        yield Problem(path="site.escrow", message=message)


def _link_ends(site: Site) -> Iterator[Problem]:
    """What a link needs of the edges at which it ends."""
    names = [edge.name for edge in site.edges]
    for index, line in enumerate(site.link.connections):
        if line.edge not in names:
            message = f"no edge {line.edge}; there are {', '.join(names)}"
            yield Problem(path=f"site.link.connections.{index}.edge", message=message)
    inside_a_line = site.link.kind is LinkKind.DIRECT_CONNECT and site.link.tunnelled
    certificates = site.link.authentication is Authentication.CERTIFICATE
    for index, edge in enumerate(site.edges):
        if site.edge_owner == "landfall" and edge.host is None:
            message = "required where edge_owner is landfall: the inventory's name of the edge"
            yield Problem(path=f"site.edges.{index}.host", message=message)
        if certificates and edge.certificate_arn is None:
            message = "required where link.authentication is certificate"
            yield Problem(path=f"site.edges.{index}.certificate_arn", message=message)
        if inside_a_line and edge.line_address is None:
            message = "required where tunnels run inside a Direct Connect"
            yield Problem(path=f"site.edges.{index}.line_address", message=message)


def _duplicates(site: Site) -> Iterator[Problem]:
    named: tuple[tuple[str, list[str]], ...] = (
        ("edges", [edge.name for edge in site.edges]),
        ("edges (address)", [str(edge.address) for edge in site.edges]),
        ("tenants", [tenant.name for tenant in site.tenants]),
        ("operators", [each.name for each in site.operators]),
    )
    for field, values in named:
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield Problem(path=f"site.{field}", message=f"{value} appears twice")
