"""Nothing has a public address."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings

ADDRESSES = frozenset({"aws:ec2/eip:Eip", "aws:ec2/eipAssociation:EipAssociation"})
SWITCHES = {
    "aws:ec2/instance:Instance": "associatePublicIpAddress",
    "aws:ec2/spotInstanceRequest:SpotInstanceRequest": "associatePublicIpAddress",
    "aws:ec2/launchConfiguration:LaunchConfiguration": "associatePublicIpAddress",
    "aws:ec2/launchTemplate:LaunchTemplate": "networkInterfaces.associatePublicIpAddress",
    "aws:ec2/subnet:Subnet": "mapPublicIpOnLaunch",
    "aws:ec2/defaultSubnet:DefaultSubnet": "mapPublicIpOnLaunch",
    "aws:ecs/service:Service": "networkConfiguration.assignPublicIp",
}


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """An address is a finding, and so is everything that would get one by itself."""
    if resource.type in ADDRESSES:
        yield Finding(path="", message="is a public address; there must be none")
    else:
        path = SWITCHES[resource.type]
        yield from expect(resource, path, None, False, message="must be false or left out")


RULE = Rule(
    name="private-addresses",
    description="No resource has a public address or gets one by itself.",
    severity=Severity.CRITICAL,
    supports=("SC-7(5)", "SC-7(21)", "AC-4", "164.312(a)(1)", "GDPR 32", "DORA 9"),
    remedy="Leave the address out; reach the network over the link or an endpoint.",
    types=ADDRESSES | SWITCHES.keys(),
    check=check,
)
