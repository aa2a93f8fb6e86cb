"""No security group is open to, or towards, everybody."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

INLINE = tuple(
    f"{way}.{name}" for way in ("ingress", "egress") for name in ("cidrBlocks", "ipv6CidrBlocks")
)
PATHS = {
    "aws:ec2/securityGroup:SecurityGroup": INLINE,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": INLINE,
    "aws:ec2/securityGroupRule:SecurityGroupRule": ("cidrBlocks", "ipv6CidrBlocks"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("cidrIpv4", "cidrIpv6"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": ("cidrIpv4", "cidrIpv6"),
}
WIDEST = 8
"""A range with a shorter prefix holds more than any one network: 0.0.0.0/1 twice is everything."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """No range of a rule is wider than a /8, and none is public as a whole."""
    for path in PATHS[resource.type]:
        for where, value in at(resource.props, path):
            for each in value if isinstance(value, list) else [value]:
                yield from _range(where, each)


def _range(where: str, value: Any) -> Iterator[Finding]:
    if value is UNKNOWN:
        yield undecided(where)
    elif value and ip_network(value, strict=False).prefixlen < WIDEST:
        message = f"{value} is open to everybody; name the networks that need it"
        yield Finding(path=where, message=message)


RULE = Rule(
    name="closed-security-groups",
    description="No security group lets in from, or out to, every address.",
    severity=Severity.CRITICAL,
    supports=("AC-4", "SC-7(5)", "SC-7(21)", "164.312(e)(1)", "GDPR 32", "DORA 9"),
    remedy="Name a security group, a prefix list, or the networks that need it.",
    types=frozenset(PATHS),
    check=check,
)
