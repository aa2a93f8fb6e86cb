"""Networks: prefixes, subnets in their VPC, routes, ports, endpoints, resolvers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline.constraints.view import View, at, words

Network = ipaddress.IPv4Network

VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
ROUTE, ENDPOINT = "aws:ec2/route:Route", "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
RULES_OF_GROUPS = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
)
RESOLVER_RULE = "aws:route53/resolverRule:ResolverRule"
RESOLVER_ENDPOINT = "aws:route53/resolverEndpoint:ResolverEndpoint"

LARGEST, SMALLEST = 16, 28
"""Prefix lengths of a VPC and of a subnet (VPC user guide, "VPC CIDR blocks")."""

SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
DESTINATIONS = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
TARGETS = (
    "carrierGatewayId", "coreNetworkArn", "egressOnlyGatewayId", "gatewayId", "localGatewayId",
    "natGatewayId", "networkInterfaceId", "odbNetworkArn", "transitGatewayId", "vpcEndpointId",
    "vpcPeeringConnectionId",
)  # fmt: skip

TCP_AND_UDP = {"tcp", "udp", "6", "17"}
ICMP = {"icmp", "icmpv6", "1", "58"}
ALL = "-1"
LAST_PORT = 65535
LAST_ICMP = 255


def network_of(value: Any) -> Network | None:
    """A network, or None where the value is not one."""
    try:
        return ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError:
        return None


def prefix(view: View) -> Iterator[Problem]:
    """A VPC or a subnet is a network of a size that AWS gives."""
    given = view.get("cidrBlock")
    if given is None:
        return
    network = network_of(given)
    if network is None:
        yield Problem(path="cidrBlock", message="must be a network such as 10.0.0.0/16")
    elif not LARGEST <= network.prefixlen <= SMALLEST:
        message = f"must be from /{LARGEST} to /{SMALLEST}, not /{network.prefixlen}"
        yield Problem(path="cidrBlock", message=message)


def inside_vpc(view: View) -> Iterator[Problem]:
    """A subnet lies in its VPC."""
    subnet = network_of(view.get("cidrBlock"))
    vpcs = [network_of(at(each.inputs, "cidrBlock")) for each in view.found("vpcId", VPC)]
    known = [network for network in vpcs if network is not None]
    if subnet is None or not known or len(known) < len(vpcs):
        return
    if not any(subnet.subnet_of(network) for network in known):
        where = "its VPC" if len(known) == 1 else "any VPC of this program"
        message = f"{subnet} is not inside {where}, {words(known)}"
        yield Problem(path="cidrBlock", message=message)


def apart(view: View) -> Iterator[Problem]:
    """No two subnets of a VPC overlap."""
    subnet, vpc = network_of(view.get("cidrBlock")), view.inputs.get("vpcId")
    if subnet is None or len(view.found("vpcId", VPC)) > 1:
        return
    for urn, other in view.others.items():
        if other.token != SUBNET or other.inputs.get("vpcId") != vpc:
            continue
        network = network_of(at(other.inputs, "cidrBlock"))
        if network is not None and subnet.overlaps(network):
            message = f"{subnet} overlaps {network} of {urn.rpartition('::')[2]}"
            yield Problem(path="cidrBlock", message=message)


def route(view: View) -> Iterator[Problem]:
    """A route has one destination and one target."""
    for names, what in ((DESTINATIONS, "destination"), (TARGETS, "target")):
        given = [name for name in names if view.has(name)]
        if len(given) != 1:
            found = words(given, "and") if given else "none"
            message = f"a route has one {what}, one of {words(names)}; here: {found}"
            yield Problem(path="", message=message)
    for name in DESTINATIONS[:1]:
        given_network = view.get(name)
        if given_network is not None and network_of(given_network) is None:
            yield Problem(path=name, message="must be a network such as 10.0.0.0/16")


def group_rules(view: View) -> Iterator[Problem]:
    """The ports of a security group's own rules fit their protocol."""
    for side in ("ingress", "egress"):
        for path, rule in view.each(f"{side}[]"):
            yield from _ports(rule, rule.get("protocol"), f"{path}.")


def rule_ports(view: View) -> Iterator[Problem]:
    """The ports of a rule fit its protocol."""
    yield from _ports(view.inputs, view.inputs.get("ipProtocol"), "")


def rule_source(view: View) -> Iterator[Problem]:
    """A rule is about one other side, and a network there is written as one."""
    given = [name for name in SOURCES if view.has(name)]
    if len(given) != 1:
        found = words(given, "and") if given else "none"
        message = f"a rule has one other side, one of {words(SOURCES)}; here: {found}"
        yield Problem(path="", message=message)
    other = view.get("cidrIpv4")
    if other is not None and network_of(other) is None:
        yield Problem(path="cidrIpv4", message="must be a network such as 10.0.0.0/16")


def _ports(rule: Mapping[str, Any], protocol: Any, prefix: str) -> Iterator[Problem]:
    first, last = at(rule, "fromPort"), at(rule, "toPort")
    name = str(protocol).lower()
    if name in {ALL, "all"}:
        if {first, last} - {None, 0, -1}:
            message = "every port is meant where every protocol is; leave the ports out"
            yield Problem(path=f"{prefix}fromPort", message=message)
        return
    low, high = (0, LAST_PORT) if name in TCP_AND_UDP else (-1, LAST_ICMP)
    if name not in TCP_AND_UDP | ICMP:
        return
    for end, port in (("fromPort", first), ("toPort", last)):
        if isinstance(port, int) and not low <= port <= high:
            yield Problem(path=f"{prefix}{end}", message=f"must be from {low} to {high}")
    if name in TCP_AND_UDP and None not in (first, last) and first > last:
        yield Problem(path=f"{prefix}toPort", message="must not be below fromPort")


def endpoint(view: View) -> Iterator[Problem]:
    """A gateway endpoint is in route tables, an interface endpoint in subnets."""
    kind = view.get_or("vpcEndpointType", "Gateway")
    wrong = {
        "Gateway": ("subnetIds", "securityGroupIds", "privateDnsEnabled", "dnsOptions"),
        "Interface": ("routeTableIds",),
    }.get(kind, ())
    for name in wrong:
        if view.has(name) and view.inputs[name] is not False:
            yield Problem(path=name, message=f"an endpoint of type {kind} takes none")


def resolver_rule(view: View) -> Iterator[Problem]:
    """A rule that forwards says where to, through an outbound endpoint."""
    if view.get("ruleType") != "FORWARD":
        return
    for name in ("resolverEndpointId", "targetIps"):
        if not view.has(name):
            yield Problem(path=name, message="missing; a rule of type FORWARD needs it")


def resolver_addresses(view: View) -> Iterator[Problem]:
    """A resolver endpoint has addresses in two subnets or more."""
    given = view.get("ipAddresses")
    if isinstance(given, list) and len(given) < 2:  # noqa: PLR2004  Route 53 developer guide
        yield Problem(path="ipAddresses", message="must be two or more, for availability")


RULES = {
    VPC: (prefix,),
    SUBNET: (prefix, inside_vpc, apart),
    ROUTE: (route,),
    GROUP: (group_rules,),
    **dict.fromkeys(RULES_OF_GROUPS, (rule_ports, rule_source)),
    ENDPOINT: (endpoint,),
    RESOLVER_RULE: (resolver_rule,),
    RESOLVER_ENDPOINT: (resolver_addresses,),
}
