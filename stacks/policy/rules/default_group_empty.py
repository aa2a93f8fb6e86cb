"""The group that AWS makes with every network lets nobody talk."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Rule, Severity, Stack, given
from stacks.policy.settings import PolicySettings
from stacks.policy.values import items

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each VPC's default group is declared, without a rule in it."""
    for vpc in stack.of(VPC):
        found = stack.attached(GROUP, "vpcId", vpc)
        if not found:
            message = "leaves AWS's default security group open; declare it without rules"
            yield Finding(path="", message=message, urn=vpc.urn)
        for group in found:
            for way in ("ingress", "egress"):
                if items(given(group, way), way):
                    yield Finding(path=way, message="must be empty", urn=group.urn)


RULE = Rule(
    name="default-group-empty",
    description="The default security group of every VPC is declared and empty.",
    severity=Severity.MEDIUM,
    supports=("SC-7(5)", "CM-6", "AC-4", "164.312(a)(1)", "DORA 9"),
    remedy="Declare a DefaultSecurityGroup for the VPC with no ingress and no egress.",
    unknown="told; a group whose VPC is not made yet is recognised by its reference",
    check_stack=check,
)
