"""The cloud end of the link: a transit gateway with a VPN to each edge of the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model.link import Link as LinkSettings
from landfall.model.link import Routing
from landfall.model.site import Edge
from stacks.network import Network


@dataclass(frozen=True, kw_only=True)
class LinkArgs:
    """What the cloud end needs to know; all of it comes from the site's description."""

    network: Network
    link: LinkSettings
    edges: tuple[Edge, ...]
    site_networks: Mapping[str, IPv4Network]


class Link(pulumi.ComponentResource):
    """A transit gateway, attached to the network, with one VPN connection for each edge.

    AWS makes the pre-shared keys and keeps them in Secrets Manager; here they are only ARNs.
    """

    tunnels: pulumi.Output[list[dict[str, object]]]

    def __init__(
        self, name: str, args: LinkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Link", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.gateway = aws.ec2transitgateway.TransitGateway(
            name,
            description="Landfall: the site's way into the VPC",
            amazon_side_asn=args.link.cloud_asn,
            auto_accept_shared_attachments="disable",
            default_route_table_association="enable",
            default_route_table_propagation="enable",
            dns_support="enable",
            vpn_ecmp_support="enable",
            opts=self._child,
        )
        attachment = aws.ec2transitgateway.VpcAttachment(
            name,
            transit_gateway_id=self.gateway.id,
            vpc_id=args.network.vpc.id,
            subnet_ids=[subnet.id for subnet in args.network.subnets],
            opts=self._child,
        )
        for zone, network in args.site_networks.items():
            aws.ec2.Route(
                f"{name}-to-{zone}",
                route_table_id=args.network.route_table.id,
                destination_cidr_block=str(network),
                transit_gateway_id=self.gateway.id,
                opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment]),
            )
        described = [self._edge(name, edge) for edge in args.edges]
        self.tunnels = pulumi.Output.all(*described).apply(
            lambda pairs: [tunnel for pair in pairs for tunnel in pair]
        )
        self.register_outputs({"transit_gateway_id": self.gateway.id})

    def _edge(self, name: str, edge: Edge) -> pulumi.Output[list[dict[str, object]]]:
        link = self._args.link
        customer = aws.ec2.CustomerGateway(
            f"{name}-{edge.name}",
            bgp_asn=str(edge.asn),
            ip_address=str(edge.address),
            device_name=edge.name,
            type="ipsec.1",
            opts=self._child,
        )
        connection = aws.ec2.VpnConnection(
            f"{name}-{edge.name}",
            customer_gateway_id=customer.id,
            transit_gateway_id=self.gateway.id,
            type="ipsec.1",
            static_routes_only=link.routing is Routing.STATIC,
            preshared_key_storage="SecretsManager",
            **tunnel_options(1, edge.inside[0], link),
            **tunnel_options(2, edge.inside[1], link),
            opts=self._child,
        )
        if link.routing is Routing.STATIC:
            self._static_routes(name, edge, connection)
        return _described(edge, link, connection)

    def _static_routes(self, name: str, edge: Edge, connection: aws.ec2.VpnConnection) -> None:
        for zone, network in self._args.site_networks.items():
            aws.ec2transitgateway.Route(
                f"{name}-{edge.name}-{zone}",
                destination_cidr_block=str(network),
                transit_gateway_attachment_id=connection.transit_gateway_attachment_id,
                transit_gateway_route_table_id=self.gateway.association_default_route_table_id,
                opts=self._child,
            )


def tunnel_options(number: int, inside: IPv4Network, link: LinkSettings) -> dict[str, Any]:
    """Everything about one tunnel that AWS would otherwise choose from its own, longer lists."""
    options = {
        "inside_cidr": str(inside),
        "ike_versions": ["ikev2"],
        "phase1_encryption_algorithms": [link.cipher.value],
        "phase1_integrity_algorithms": [link.integrity.value],
        "phase1_dh_group_numbers": [link.dh_group],
        "phase1_lifetime_seconds": link.ike_lifetime_s,
        "phase2_encryption_algorithms": [link.cipher.value],
        "phase2_integrity_algorithms": [link.integrity.value],
        "phase2_dh_group_numbers": [link.dh_group],
        "phase2_lifetime_seconds": link.esp_lifetime_s,
        "dpd_timeout_seconds": link.dpd_timeout_s,
        "dpd_timeout_action": "restart",
        "startup_action": "start",
    }
    return {f"tunnel{number}_{option}": value for option, value in options.items()}


def _described(
    edge: Edge, link: LinkSettings, connection: aws.ec2.VpnConnection
) -> pulumi.Output[list[dict[str, object]]]:
    def describe(number: int) -> dict[str, object]:
        return {
            "edge": edge.name,
            "cloud_address": getattr(connection, f"tunnel{number}_address"),
            "cloud_inside": getattr(connection, f"tunnel{number}_vgw_inside_address"),
            "site_inside": getattr(connection, f"tunnel{number}_cgw_inside_address"),
            "cloud_asn": link.cloud_asn,
            "preshared_key_arn": connection.preshared_key_arn,
        }

    return pulumi.Output.all(describe(1), describe(2))
