"""What networks and links are billed for."""

from __future__ import annotations

from collections.abc import Iterator

from landfall.cost.rate import (
    HOURS,
    Around,
    Gap,
    Metered,
    Rate,
    Resource,
    Term,
    Use,
    at,
    items,
    metered,
    per_hour,
    per_month,
    text,
    together,
    unpriced,
)

ENDPOINT = "Interface VPC endpoint"
ENDPOINT_DATA = "Interface VPC endpoint data, first 1 PB/month"
ATTACHMENT = "Transit gateway attachment (VPC, VPN, DX, peering)"
TRANSIT_DATA = "Transit gateway data processed"
STANDARD_VPN = "Site-to-Site VPN connection, standard"
LARGE_VPN = "Site-to-Site VPN connection, large (5 Gbps tunnels)"
RESOLVER = "Route 53 Resolver endpoint ENI"
RESOLVER_QUERIES = "Route 53 Resolver queries, first 1 B/month"
LOG_INGESTION = "CloudWatch Logs ingestion, standard"

DIRECT_CONNECT_PORTS = {"1Gbps": "1 Gbps", "10Gbps": "10 Gbps", "100Gbps": "100 Gbps"}
"""Bandwidths of dedicated connections whose port hours are in the price list."""


def _endpoint(resource: Resource, _around: Around) -> Iterator[Term]:
    kind = resource.props.get("vpcEndpointType", "Gateway")
    if kind == "Gateway":  # S3 and DynamoDB: no charge (facts in the price list's sources)
        return
    if kind != "Interface":
        yield Gap(reason=f"endpoint of the type {kind}: its price is not established")
        return
    places = items(resource.props.get("subnetIds"))
    if places is None:
        places = items(resource.props.get("subnetConfigurations"))
    if places is None:
        yield Gap(reason="in how many zones it stands is not known here")
    else:
        yield Use(item=ENDPOINT, quantity=HOURS * len(places), note=f"{len(places)} zones")
    yield Metered(item=ENDPOINT_DATA)


def _vpn(resource: Resource, _around: Around) -> Iterator[Term]:
    large = resource.props.get("tunnelBandwidth") == "large"
    yield Use(item=LARGE_VPN if large else STANDARD_VPN, quantity=HOURS)
    if resource.props.get("transitGatewayId"):
        yield Use(item=ATTACHMENT, quantity=HOURS, note="its attachment to the transit gateway")
        yield Metered(item=TRANSIT_DATA)


def _port(resource: Resource, _around: Around) -> Iterator[Term]:
    bandwidth = text(resource.props.get("bandwidth"))
    size = DIRECT_CONNECT_PORTS.get(bandwidth)
    if size is None:
        yield Gap(reason=f"price of a Direct Connect port of {bandwidth or 'unknown bandwidth'}")
    else:
        note = "the port alone; the cross connect and the carrier bill apart"
        yield Use(item=f"Direct Connect dedicated port {size}", quantity=HOURS, note=note)
    yield Metered(item="Data transfer out over Direct Connect")


def _resolver(resource: Resource, _around: Around) -> Iterator[Term]:
    addresses = items(resource.props.get("ipAddresses"))
    if addresses is None:
        yield Gap(reason="how many addresses it has is not known here")
    else:
        note = f"{len(addresses)} addresses"
        yield Use(item=RESOLVER, quantity=HOURS * len(addresses), note=note)
    yield Metered(item=RESOLVER_QUERIES)


def _flow_log(resource: Resource, _around: Around) -> Iterator[Term]:
    if resource.props.get("logDestinationType", "cloud-watch-logs") == "cloud-watch-logs":
        yield Metered(item=LOG_INGESTION, note="as vended logs")
    else:
        yield Gap(reason="delivery of flow logs elsewhere than CloudWatch: price not established")


def _load_balancer(resource: Resource, _around: Around) -> Iterator[Term]:
    names = {"application": "Application Load Balancer", "network": "Network Load Balancer"}
    kind = resource.props.get("loadBalancerType", "application")
    name = names.get(str(kind))
    if name is None:
        yield Gap(reason=f"load balancer of the type {kind}: its price is not established")
        return
    yield Use(item=name, quantity=HOURS)
    yield Metered(item=f"{name} capacity units")


def _kubernetes_service(resource: Resource, _around: Around) -> Iterator[Term]:
    if at(resource.props, "spec", "type") == "LoadBalancer":
        yield Gap(reason="a load balancer that Kubernetes asks for: its kind is not known here")


_ATTACHED = together(per_hour(ATTACHMENT), metered(TRANSIT_DATA))

RATES: dict[str, Rate] = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:ec2/vpcEndpointSubnetAssociation:VpcEndpointSubnetAssociation": per_hour(ENDPOINT),
    "aws:ec2/natGateway:NatGateway": together(per_hour("NAT gateway"), metered("NAT gateway data")),
    "aws:ec2/eip:Eip": per_hour("Public IPv4 address (in use or idle)"),
    "aws:ec2/vpnConnection:VpnConnection": _vpn,
    "aws:ec2/flowLog:FlowLog": _flow_log,
    "aws:ec2transitgateway/vpcAttachment:VpcAttachment": _ATTACHED,
    "aws:ec2transitgateway/peeringAttachment:PeeringAttachment": _ATTACHED,
    "aws:directconnect/connection:Connection": _port,
    # Its attachment is billed where the other end is a transit gateway, as it is in our links.
    "aws:directconnect/gatewayAssociation:GatewayAssociation": _ATTACHED,
    "aws:route53/resolverEndpoint:ResolverEndpoint": _resolver,
    "aws:route53/resolverFirewallRuleGroup:ResolverFirewallRuleGroup": unpriced(
        "DNS firewall is billed by queries: price not established"
    ),
    "aws:route53/zone:Zone": per_month("Route 53 hosted zone, first 25"),
    "aws:route53/healthCheck:HealthCheck": per_month("Route 53 health check, AWS endpoint"),
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "kubernetes:core/v1:Service": _kubernetes_service,
}
"""By type, what is billed."""
