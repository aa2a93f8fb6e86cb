"""Direct Connect: a dedicated line to each edge, and what keeps it from being read."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from landfall.model.link import DirectConnect as Line
from landfall.model.link import Encryption
from landfall.model.link import Link as LinkSettings
from landfall.model.site import Edge
from stacks.alarms import Alarms
from stacks.place import Place

TRANSIT_MTU = 8500
"""The largest frame of a transit virtual interface (Direct Connect user guide)."""


@dataclass(frozen=True, kw_only=True)
class DirectConnectArgs:
    """What lines need to know. `reachable`: the range that is announced to the site."""

    place: Place
    link: LinkSettings
    edges: tuple[Edge, ...]
    gateway_id: pulumi.Output[str]
    reachable: IPv4Network
    alarms: Alarms


class DirectConnect(pulumi.ComponentResource):
    """A gateway, associated with the transit gateway, and a line to each edge.

    `attachment_id` is the transit gateway's attachment of the lines.
    """

    attachment_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: DirectConnectArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:DirectConnect", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        gateway = aws.directconnect.Gateway(
            name,
            name=args.place.name("line"),
            amazon_side_asn=str(args.link.direct_connect_asn),
            opts=self._child,
        )
        announced = [args.reachable]
        if args.link.tunnelled:
            announced.append(args.link.transit_range)
        association = aws.directconnect.GatewayAssociation(
            name,
            dx_gateway_id=gateway.id,
            associated_gateway_id=args.gateway_id,
            allowed_prefixes=[str(each) for each in announced],
            opts=self._child,
        )
        self.attachment_id = association.transit_gateway_attachment_id
        for line in args.link.connections:
            self._line(name, line, gateway.id)
        self.register_outputs({"attachment_id": self.attachment_id})

    def _line(self, name: str, line: Line, gateway: pulumi.Output[str]) -> None:
        secured = self._args.link.encryption is Encryption.MACSEC
        connection = aws.directconnect.Connection(
            f"{name}-{line.edge}",
            name=self._args.place.name(line.edge),
            bandwidth=line.bandwidth,
            location=line.location,
            request_macsec=secured,
            # In the clear is not offered: without the key the line carries nothing.
            encryption_mode="must_encrypt" if secured else None,
            opts=self._args.place.stateful(self),
        )
        if secured:
            aws.directconnect.MacsecKeyAssociation(
                f"{name}-{line.edge}",
                connection_id=connection.id,
                secret_arn=line.macsec_secret_arn,
                opts=self._child,
            )
        amazon, customer = _addresses(line.peering)
        edge = next(each for each in self._args.edges if each.name == line.edge)
        aws.directconnect.TransitVirtualInterface(
            f"{name}-{line.edge}",
            name=self._args.place.name(line.edge),
            connection_id=connection.id,
            dx_gateway_id=gateway,
            vlan=line.vlan,
            address_family="ipv4",
            bgp_asn=edge.asn,
            amazon_address=amazon,
            customer_address=customer,
            mtu=TRANSIT_MTU,
            opts=self._child,
        )
        self._args.alarms.line(line.edge, connection=connection.id)


def _addresses(peering: IPv4Network) -> tuple[str, str]:
    """Both ends of a line, Amazon's first, with the prefix."""
    amazon, customer = list(peering.hosts())[:2]
    return f"{amazon}/{peering.prefixlen}", f"{customer}/{peering.prefixlen}"
