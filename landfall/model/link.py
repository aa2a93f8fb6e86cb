"""The private connection between a VPC and a site: one value, from which both ends are built.

`site.link` is written once, in the inventory. `stacks.link` builds the cloud end from it and the
site's roles the other end, so the two cannot disagree about ciphers, lifetimes or addresses.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from landfall.model.parsing import Written

INSIDE_RANGE = IPv4Network("169.254.0.0/16")
"""Where AWS wants the inside addresses of a tunnel."""

INSIDE_PREFIX = 30

INSIDE_RESERVED = (
    *(IPv4Network(f"169.254.{octet}.0/30") for octet in range(6)),
    IPv4Network("169.254.169.252/30"),
)
"""Inside ranges that AWS keeps for itself (Site-to-Site VPN guide, tunnel options)."""

RESERVED_ASNS = {
    7224: "everywhere",
    9059: "eu-west-1",
    10124: "ap-northeast-1",
    17943: "ap-southeast-1",
}
"""ASNs that AWS reserves (Site-to-Site VPN guide, customer gateway options)."""

PRIVATE_ASNS = (range(64512, 65535), range(4200000000, 4294967295))
"""RFC 6996: 64512 to 65534 and 4200000000 to 4294967294."""

SECRET_ARN = r"^arn:aws[a-z-]*:secretsmanager:.+"  # noqa: S105  a pattern, no secret

Bandwidth = Literal["1Gbps", "10Gbps", "100Gbps", "400Gbps"]
"""Dedicated connections (Direct Connect user guide)."""

MACSEC_BANDWIDTHS = ("10Gbps", "100Gbps", "400Gbps")
"""MACsec is for these, where the location offers it, and is set when a connection is made."""

MTU_GCM, MSS_GCM = 1446, 1406
"""Best case for AES-GCM without NAT traversal (Site-to-Site VPN guide, maximum MTU and MSS)."""


class Routing(StrEnum):
    """How the two ends learn each other's networks."""

    BGP = "bgp"
    STATIC = "static"


class Cipher(StrEnum):
    """The ciphers that Landfall offers, in AWS's spelling; AES-GCM only."""

    AES256_GCM = "AES256-GCM-16"
    AES128_GCM = "AES128-GCM-16"


class Integrity(StrEnum):
    """The pseudo-random functions of the key exchange, in AWS's spelling."""

    SHA2_256 = "SHA2-256"
    SHA2_384 = "SHA2-384"
    SHA2_512 = "SHA2-512"


class LinkKind(StrEnum):
    """What carries the link."""

    VPN = "vpn"
    DIRECT_CONNECT = "direct_connect"


class Authentication(StrEnum):
    """How the two ends of a tunnel know each other."""

    PRESHARED_KEY = "preshared_key"
    CERTIFICATE = "certificate"


class Encryption(StrEnum):
    """What encrypts a Direct Connect, which by itself is in the clear."""

    MACSEC = "macsec"
    VPN = "vpn"


class DirectConnect(Written):
    """One dedicated connection to an edge. Bandwidth in AWS's spelling.

    Attributes:
        edge: the site's device at its end.
        location: AWS's code of the colocation, e.g. EqFA5.
        vlan: of the transit virtual interface.
        peering: a /30 or /31 with the addresses of both BGP speakers, Amazon's first.
        macsec_secret_arn: the secret with the connectivity association key, for MACsec.
    """

    edge: str
    location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{2,20}$")]
    bandwidth: Bandwidth
    vlan: Annotated[int, Field(ge=1, le=4094)]
    peering: IPv4Network
    macsec_secret_arn: Annotated[str, Field(pattern=SECRET_ARN)] | None = None

    @field_validator("peering")
    @classmethod
    def _two_addresses(cls, network: IPv4Network) -> IPv4Network:
        if network.prefixlen not in (30, 31):
            raise ValueError(f"{network} must be a /30 or a /31: one address for each end")
        return network


class Link(Written):
    """What both ends of every tunnel must agree on. Lifetimes and timeouts are in seconds.

    For `kind: direct_connect`, `connections` has one entry for each edge and `encryption` says
    what keeps the line from being read: MACsec on it, or the same VPN inside it.
    """

    kind: LinkKind = LinkKind.VPN
    authentication: Authentication = Authentication.PRESHARED_KEY
    connections: tuple[DirectConnect, ...] = ()
    encryption: Encryption = Encryption.VPN
    direct_connect_asn: int = 64513
    transit_range: IPv4Network = IPv4Network("10.255.255.0/24")
    routing: Routing = Routing.BGP
    cloud_asn: int = 64512
    cipher: Cipher = Cipher.AES256_GCM
    integrity: Integrity = Integrity.SHA2_384
    dh_group: Annotated[int, Field(ge=19, le=21)] = 20
    ike_lifetime_s: Annotated[int, Field(ge=900, le=28800)] = 28800
    esp_lifetime_s: Annotated[int, Field(ge=900, le=3600)] = 3600
    dpd_timeout_s: Annotated[int, Field(ge=30, le=3600)] = 40
    mtu: Annotated[int, Field(ge=1280, le=MTU_GCM)] = MTU_GCM
    mss: Annotated[int, Field(ge=1200, le=MSS_GCM)] = MSS_GCM

    @field_validator("cloud_asn", "direct_connect_asn")
    @classmethod
    def _asn(cls, asn: int) -> int:
        return private_asn(asn)

    @model_validator(mode="after")
    def _line(self) -> Link:
        if self.kind is LinkKind.VPN:
            if self.connections:
                raise ValueError("connections: a vpn has none; kind direct_connect does")
            return self
        if not self.connections:
            raise ValueError("connections: a direct_connect needs one for each edge")
        if self.cloud_asn == self.direct_connect_asn:
            raise ValueError("direct_connect_asn: must not be cloud_asn")
        if self.encryption is Encryption.MACSEC:
            self._check_macsec()
        return self

    def _check_macsec(self) -> None:
        for index, each in enumerate(self.connections):
            if each.bandwidth not in MACSEC_BANDWIDTHS:
                raise ValueError(
                    f"connections.{index}.bandwidth: MACsec needs one of "
                    f"{', '.join(MACSEC_BANDWIDTHS)}, not {each.bandwidth}"
                )
            if each.macsec_secret_arn is None:
                raise ValueError(f"connections.{index}.macsec_secret_arn: MACsec needs its key")

    @property
    def tunnelled(self) -> bool:
        """Whether there are VPN tunnels: always, but on a line with MACsec."""
        return self.kind is LinkKind.VPN or self.encryption is Encryption.VPN


def private_asn(asn: int) -> int:
    """`asn`, if a site may use it on a private link.

    Raises:
        ValueError: it is reserved by AWS or not a private one.
    """
    if asn in RESERVED_ASNS:
        raise ValueError(
            f"ASN {asn} is reserved by AWS ({RESERVED_ASNS[asn]}); take one from 64512 to 65534"
        )
    if not any(asn in private for private in PRIVATE_ASNS):
        raise ValueError(f"ASN {asn} is not a private one; take one from 64512 to 65534")
    return asn


def inside_range(network: IPv4Network) -> IPv4Network:
    """`network`, if a tunnel may use it for its inside addresses.

    Raises:
        ValueError: it is not a /30 of 169.254.0.0/16, or AWS keeps it for itself.
    """
    if network.prefixlen != INSIDE_PREFIX or not network.subnet_of(INSIDE_RANGE):
        raise ValueError(f"{network} must be a /30 inside {INSIDE_RANGE}")
    if network in INSIDE_RESERVED:
        raise ValueError(f"{network} is reserved by AWS; 169.254.10.0/30 is free")
    return network
