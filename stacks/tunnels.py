"""Site-to-Site VPN connections: two tunnels to each edge, with nothing left to AWS's choice."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model.link import Authentication, Routing
from landfall.model.link import Link as LinkSettings
from landfall.model.site import Edge
from stacks.alarms import Alarms
from stacks.logs import log_group
from stacks.place import Place

REKEY_MARGIN_S, REKEY_FUZZ_PERCENT, REPLAY_WINDOW = 270, 100, 1024
"""AWS's defaults, written down so that both ends have the same (Site-to-Site VPN guide)."""

BOTH = (1, 2)


@dataclass(frozen=True, kw_only=True)
class TunnelsArgs:
    """What tunnels need to know.

    Attributes:
        transport: the Direct Connect attachment that they run inside of, or None: the internet.
        alarms: where a tunnel that is down is told.
    """

    place: Place
    link: LinkSettings
    edges: tuple[Edge, ...]
    gateway_id: pulumi.Output[str]
    transport: pulumi.Output[str] | None
    alarms: Alarms


class Tunnels(pulumi.ComponentResource):
    """One VPN connection for each edge, on a transit gateway.

    AWS makes the pre-shared keys and keeps them in Secrets Manager; here they are only ARNs.

    Attributes:
        attachments: the transit gateway attachment of each edge's connection.
        described: what the site must know of each tunnel (`landfall.handoff.Tunnel`).
    """

    attachments: dict[str, pulumi.Output[str]]
    described: pulumi.Output[list[dict[str, object]]]

    def __init__(
        self, name: str, args: TunnelsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Tunnels", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.attachments = {}
        logs = log_group(name, args.place, parent=self)
        made = [self._edge(edge, logs.arn) for edge in args.edges]
        self.described = pulumi.Output.all(*made).apply(
            lambda pairs: [tunnel for pair in pairs for tunnel in pair]
        )
        self.register_outputs({"tunnels": self.described})

    def _edge(self, edge: Edge, logs: pulumi.Output[str]) -> pulumi.Output[list[dict[str, object]]]:
        args, link = self._args, self._args.link
        certified = link.authentication is Authentication.CERTIFICATE
        address = edge.line_address if args.transport is not None else edge.address
        customer = aws.ec2.CustomerGateway(
            edge.name,
            bgp_asn=str(edge.asn),
            ip_address=str(address),
            certificate_arn=edge.certificate_arn if certified else None,
            device_name=edge.name,
            type="ipsec.1",
            tags={"Name": args.place.name(edge.name)},
            opts=self._child,
        )
        connection = aws.ec2.VpnConnection(
            edge.name,
            customer_gateway_id=customer.id,
            transit_gateway_id=args.gateway_id,
            type="ipsec.1",
            static_routes_only=link.routing is Routing.STATIC,
            preshared_key_storage="Standard" if certified else "SecretsManager",
            outside_ip_address_type="PrivateIpv4" if args.transport is not None else "PublicIpv4",
            transport_transit_gateway_attachment_id=args.transport,
            **tunnel_options(1, edge.inside[0], link, logs),
            **tunnel_options(2, edge.inside[1], link, logs),
            tags={"Name": args.place.name(edge.name)},
            opts=self._child,
        )
        self.attachments[edge.name] = connection.transit_gateway_attachment_id
        for number in BOTH:
            args.alarms.tunnel(
                f"{edge.name}-{number}",
                connection=connection.id,
                address=getattr(connection, f"tunnel{number}_address"),
                bgp=link.routing is Routing.BGP,
            )
        return _described(edge, link, connection)


def tunnel_options(
    number: int, inside: IPv4Network, link: LinkSettings, logs: pulumi.Output[str]
) -> dict[str, Any]:
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
        "rekey_margin_time_seconds": REKEY_MARGIN_S,
        "rekey_fuzz_percentage": REKEY_FUZZ_PERCENT,
        "replay_window_size": REPLAY_WINDOW,
        "dpd_timeout_seconds": link.dpd_timeout_s,
        "dpd_timeout_action": "restart",
        "startup_action": "start",
        # AWS announces a tunnel's maintenance and waits, so that both are never replaced at once.
        "enable_tunnel_lifecycle_control": True,
        "log_options": {
            "cloudwatch_log_options": {
                "log_enabled": True,
                "log_group_arn": logs,
                "log_output_format": "json",
            }
        },
    }
    return {f"tunnel{number}_{option}": value for option, value in options.items()}


def _described(
    edge: Edge, link: LinkSettings, connection: aws.ec2.VpnConnection
) -> pulumi.Output[list[dict[str, object]]]:
    secret = link.authentication is Authentication.PRESHARED_KEY

    def describe(number: int) -> dict[str, object]:
        return {
            "edge": edge.name,
            "cloud_address": getattr(connection, f"tunnel{number}_address"),
            "cloud_inside": getattr(connection, f"tunnel{number}_vgw_inside_address"),
            "site_inside": getattr(connection, f"tunnel{number}_cgw_inside_address"),
            "cloud_asn": link.cloud_asn,
            "preshared_key_arn": connection.preshared_key_arn if secret else None,
            "certificate_arn": edge.certificate_arn,
        }

    return pulumi.Output.all(*(describe(number) for number in BOTH))
