"""No way out of, or into, the network but the link and private endpoints."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

GATEWAYS = frozenset(
    {
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/internetGatewayAttachment:InternetGatewayAttachment",
        "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/carrierGateway:CarrierGateway",
        "aws:globalaccelerator/accelerator:Accelerator",
    }
)
ROUTES = {
    "aws:ec2/route:Route": "",
    "aws:ec2/routeTable:RouteTable": "routes.",
    "aws:ec2/defaultRouteTable:DefaultRouteTable": "routes.",
}
FORBIDDEN = ("natGatewayId", "egressOnlyGatewayId", "carrierGatewayId")
INTERNET_GATEWAY = "igw-"
"""`gatewayId` also names VPN gateways (vgw-) and `local`, which are private."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """A gateway is a finding, and so is a route to one that stands elsewhere."""
    if resource.type in GATEWAYS:
        yield Finding(path="", message="is a way to the internet; there must be none")
        return
    prefix = ROUTES[resource.type]
    for name in FORBIDDEN:
        for where, value in at(resource.props, f"{prefix}{name}"):
            if value is not None and value != "":
                yield Finding(path=where, message="leads to the internet; there must be no route")
    for where, value in at(resource.props, f"{prefix}gatewayId"):
        if value is UNKNOWN:
            yield undecided(where)
        elif str(value).startswith(INTERNET_GATEWAY):
            yield Finding(path=where, message=f"{value} is an internet gateway")


RULE = Rule(
    name="no-gateways",
    description="There is no internet, NAT or egress-only gateway, and no route to one.",
    severity=Severity.CRITICAL,
    supports=("SC-7(5)", "SC-7(21)", "AC-4", "164.312(e)(1)", "GDPR 32", "DORA 9"),
    remedy="Use the VPC endpoint of the service, or the link to the site.",
    unknown="a route to a gateway that is not made yet is told; a NAT gateway's is a violation",
    types=GATEWAYS | ROUTES.keys(),
    check=check,
)
