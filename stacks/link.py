"""The cloud end of the link: where the network and the site meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from landfall.model.link import Link as LinkSettings
from landfall.model.link import LinkKind, Routing
from landfall.model.site import Edge
from stacks.alarms import Alarms
from stacks.direct_connect import DirectConnect, DirectConnectArgs
from stacks.network import Reachable
from stacks.place import Place
from stacks.settings.adoption import AdoptedTransitGateway
from stacks.tunnels import Tunnels, TunnelsArgs


@dataclass(frozen=True, kw_only=True)
class LinkArgs:
    """What the cloud end needs to know; nearly all of it is the site's own description.

    Attributes:
        place: where the VPC is.
        network: that is to be reached.
        link: what both ends agree on.
        edges: the site's devices.
        site_networks: the site's ranges by zone.
        alarms: where a lost tunnel is told.
        gateway: a transit gateway that is there already.
        adopted: the way from that gateway to the site is there already, too.
        owner: acts in the account that owns an adopted gateway; None where it is this account.
    """

    place: Place
    network: Reachable
    link: LinkSettings
    edges: tuple[Edge, ...]
    site_networks: Mapping[str, IPv4Network]
    alarms: Alarms
    gateway: AdoptedTransitGateway | None = None
    adopted: bool = False
    owner: aws.Provider | None = None


class Link(pulumi.ComponentResource):
    """A transit gateway, attached to the network, with a way to each edge of the site.

    Two route tables keep traffic apart: the network learns the site's routes, and the site the
    network's; nothing that is attached later is reached by either without being named.
    """

    tunnels: pulumi.Output[list[dict[str, object]]]

    def __init__(
        self, name: str, args: LinkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Link", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        self.gateway_id = self._gateway()
        attachment = self._attach()
        vpc_table: pulumi.Output[str] | None = None
        site_table: pulumi.Output[str] | None = None
        if args.gateway is None:
            vpc_table, site_table = self._table("vpc"), self._table("site")
        else:
            self._accept(attachment)
            if args.gateway.route_table:
                vpc_table = site_table = pulumi.Output.from_input(args.gateway.route_table)
        if vpc_table is not None and site_table is not None:
            self._associate("vpc", attachment.id, learns=vpc_table, told=site_table)
        self._routes(attachment)
        self.tunnels = pulumi.Output.from_input([])
        if not args.adopted:
            self._to_site(vpc_table, site_table)
        self.register_outputs({"transit_gateway_id": self.gateway_id})

    def _gateway(self) -> pulumi.Output[str]:
        args = self._args
        if args.gateway is not None:
            return pulumi.Output.from_input(args.gateway.id)
        inside = args.link.kind is LinkKind.DIRECT_CONNECT and args.link.tunnelled
        return aws.ec2transitgateway.TransitGateway(
            self._name,
            description=f"Landfall {args.place.environment}: the site's way into the VPC",
            amazon_side_asn=args.link.cloud_asn,
            auto_accept_shared_attachments="disable",
            default_route_table_association="disable",
            default_route_table_propagation="disable",
            dns_support="enable",
            vpn_ecmp_support="enable",
            # The outside addresses of tunnels that run inside a Direct Connect are private ones.
            transit_gateway_cidr_blocks=[str(args.link.transit_range)] if inside else None,
            opts=self._child,
        ).id

    def _attach(self) -> aws.ec2transitgateway.VpcAttachment:
        own = False if self._args.gateway is None else None
        return aws.ec2transitgateway.VpcAttachment(
            self._name,
            transit_gateway_id=self.gateway_id,
            vpc_id=self._args.network.vpc_id,
            subnet_ids=self._args.network.attachments,
            dns_support="enable",
            transit_gateway_default_route_table_association=own,
            transit_gateway_default_route_table_propagation=own,
            opts=self._child,
        )

    def _accept(self, attachment: aws.ec2transitgateway.VpcAttachment) -> None:
        """Accept the attachment in the account that owns the gateway."""
        if self._args.owner is not None:
            aws.ec2transitgateway.VpcAttachmentAccepter(
                self._name,
                transit_gateway_attachment_id=attachment.id,
                transit_gateway_default_route_table_association=False,
                transit_gateway_default_route_table_propagation=False,
                opts=self._by_owner(),
            )

    def _by_owner(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._args.owner)

    def _table(self, side: str) -> pulumi.Output[str]:
        return aws.ec2transitgateway.RouteTable(
            f"{self._name}-{side}",
            transit_gateway_id=self.gateway_id,
            tags={"Name": self._args.place.name(side)},
            opts=self._child,
        ).id

    def _associate(
        self,
        side: str,
        attachment: pulumi.Input[str],
        *,
        learns: pulumi.Output[str],
        told: pulumi.Output[str],
    ) -> None:
        """Let an attachment use the routes of one table, and be known in another."""
        aws.ec2transitgateway.RouteTableAssociation(
            f"{self._name}-{side}",
            transit_gateway_attachment_id=attachment,
            transit_gateway_route_table_id=learns,
            opts=self._by_owner(),
        )
        aws.ec2transitgateway.RouteTablePropagation(
            f"{self._name}-{side}",
            transit_gateway_attachment_id=attachment,
            transit_gateway_route_table_id=told,
            opts=self._by_owner(),
        )

    def _routes(self, attachment: aws.ec2transitgateway.VpcAttachment) -> None:
        """The way from the private subnets to each range of the site."""
        for index, table in enumerate(self._args.network.private_tables):
            for zone, network in self._args.site_networks.items():
                aws.ec2.Route(
                    f"{self._name}-{index}-to-{zone}",
                    route_table_id=table,
                    destination_cidr_block=str(network),
                    transit_gateway_id=self.gateway_id,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
                )

    def _to_site(
        self, vpc_table: pulumi.Output[str] | None, site_table: pulumi.Output[str] | None
    ) -> None:
        args, line = self._args, None
        if args.link.kind is LinkKind.DIRECT_CONNECT:
            line = DirectConnect(
                f"{self._name}-line",
                DirectConnectArgs(
                    place=args.place,
                    link=args.link,
                    edges=args.edges,
                    gateway_id=self.gateway_id,
                    reachable=args.network.cidr,
                    alarms=args.alarms,
                ),
                self._by_owner(),
            )
            if vpc_table is not None and site_table is not None:
                self._associate("line", line.attachment_id, learns=site_table, told=vpc_table)
        if not args.link.tunnelled:
            return
        tunnels = Tunnels(
            f"{self._name}-tunnels",
            TunnelsArgs(
                place=args.place,
                link=args.link,
                edges=args.edges,
                gateway_id=self.gateway_id,
                transport=line.attachment_id if line else None,
                alarms=args.alarms,
            ),
            self._by_owner(),
        )
        for edge, connection in tunnels.attachments.items():
            if vpc_table is None or site_table is None:
                continue
            self._associate(edge, connection, learns=site_table, told=vpc_table)
            if args.link.routing is Routing.STATIC:
                self._static_routes(edge, connection, vpc_table)
        self.tunnels = tunnels.described

    def _static_routes(
        self, edge: str, connection: pulumi.Output[str], table: pulumi.Output[str]
    ) -> None:
        first = self._args.edges[0].name
        for zone, network in self._args.site_networks.items():
            # A table holds one static route for a range; the first edge has it.
            if edge == first:
                aws.ec2transitgateway.Route(
                    f"{self._name}-{edge}-{zone}",
                    destination_cidr_block=str(network),
                    transit_gateway_attachment_id=connection,
                    transit_gateway_route_table_id=table,
                    opts=self._by_owner(),
                )
