"""The networks of a site, what may pass between them, and the services that hosts use there."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from landfall.errors import Problem
from landfall.model.parsing import Written

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,30}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Mtu = Annotated[int, Field(ge=1280, le=9216)]
"""Bytes. 1280 is the least that IPv6 allows, 9216 the most that switches commonly carry."""

HOSTS = "hosts"
"""In a flow: the site's own hosts, wherever they stand."""

CLOUD = "cloud"
"""In a flow: the VPC at the other end of the link."""


ELSEWHERE = "elsewhere"
"""In a firewall's counters: every address that no network has."""


class Network(Written):
    """One network of a site: `10.64.0.0/24` alone, or with what makes it different.

    Attributes:
        range: its addresses.
        vlan: its VLAN id on trunks and bonds; absent where it is untagged.
        mtu: the largest packet that everything in it carries, in bytes.
        gateway: its router, where it has one that hosts should use.
    """

    range: IPv4Network
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = None
    mtu: Mtu = 1500
    gateway: IPv4Address | None = None

    @model_validator(mode="before")
    @classmethod
    def _range_alone(cls, written: Any) -> Any:
        return {"range": written} if isinstance(written, str) else written

    @model_validator(mode="after")
    def _gateway_inside(self) -> Network:
        if self.gateway is not None and self.gateway not in self.range:
            raise ValueError(f"gateway: {self.gateway} is not in {self.range}")
        return self


class Flow(Written):
    """Traffic that is wanted; everything else is dropped, in both directions.

    `from` and `to` are the name of a network, `hosts` (the site's own hosts) or `cloud` (the VPC).
    """

    model_config = ConfigDict(populate_by_name=True)

    source: Annotated[str, Field(alias="from")]
    target: Annotated[str, Field(alias="to")]
    tcp: tuple[Port, ...] = ()
    udp: tuple[Port, ...] = ()
    why: Annotated[str, Field(min_length=3)]

    @model_validator(mode="after")
    def _something(self) -> Flow:
        if not self.tcp and not self.udp:
            raise ValueError("give tcp or udp ports; a flow without ports lets nothing pass")
        if self.source == self.target != HOSTS:
            raise ValueError(
                f"from and to are both {self.source}; between hosts of one network, give hosts "
                "to hosts"
            )
        return self


class Packages(Written):
    """The site's own mirror of Debian packages.

    Attributes:
        url: the repository, flat (`./`) or with a suite.
        suite: `./` for a flat one, else e.g. bookworm.
        components: of the suite; none for a flat one.
        key: the file with the key that signs it, below the checkout; absent where the image of
            the hosts brings it.
    """

    url: Annotated[str, Field(pattern=r"^(https?|file)://\S+$")]
    suite: str = "./"
    components: tuple[str, ...] = ()
    key: str | None = None


class LogSink(Written):
    """Where logs are sent, over TLS (RFC 5425).

    `ca` is a file below the checkout; `name` is that of the collector's certificate, where it is
    not the address.
    """

    address: str
    port: Port = 6514
    ca: str
    name: str | None = None


class Tang(Written):
    """A key server that unlocks disks on this network only, known by its thumbprint."""

    url: Annotated[str, Field(pattern=r"^http://\S+$")]
    thumbprint: Annotated[str, Field(min_length=20)]


class Services(Written):
    """What hosts use at the site, so that none of it comes from outside.

    Attributes:
        dns: name servers.
        ntp: time servers, names or addresses.
        packages: the mirror of Debian packages.
        logs: the SIEM's collector.
        tang: key servers.
        registry: host:port of the site's mirror of container images.
    """

    dns: tuple[IPv4Address, ...] = ()
    ntp: tuple[str, ...] = ()
    packages: Packages | None = None
    logs: LogSink | None = None
    tang: tuple[Tang, ...] = ()
    registry: Annotated[str, Field(pattern=r"^[\w.-]+(:\d+)?$")] | None = None


class Operator(Written):
    """A person who may log in to hosts, with ssh keys alone, and become root."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,30}$")]
    keys: Annotated[tuple[str, ...], Field(min_length=1)]


def problems_of_flows(flows: tuple[Flow, ...], networks: set[str]) -> Iterator[Problem]:
    """Flows that name no network of the site."""
    for name in sorted(networks & {HOSTS, CLOUD, ELSEWHERE}):
        message = f"{name} has a meaning of its own in flows; choose another name"
        yield Problem(path=f"site.networks.{name}", message=message)
    known = {*networks, HOSTS, CLOUD}
    for index, flow in enumerate(flows):
        for side, name in (("from", flow.source), ("to", flow.target)):
            if name not in known:
                message = f"no network {name}; there are {', '.join(sorted(known))}"
                yield Problem(path=f"site.flows.{index}.{side}", message=message)


def problems_of_vlans(networks: dict[str, Network]) -> Iterator[Problem]:
    """Two networks with one VLAN id."""
    seen: dict[int, str] = {}
    for name, network in networks.items():
        if network.vlan is None:
            continue
        other = seen.setdefault(network.vlan, name)
        if other != name:
            message = f"{network.vlan} is the VLAN of site.networks.{other}"
            yield Problem(path=f"site.networks.{name}.vlan", message=message)
