"""Each network tells who talked to whom."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Rule, Severity, Stack, expect
from stacks.policy.settings import PolicySettings

VPC = "aws:ec2/vpc:Vpc"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each VPC of the stack has a flow log of all traffic."""
    for vpc in stack.of(VPC):
        found = stack.attached(FLOW_LOG, "vpcId", vpc)
        if not found:
            yield Finding(path="", message="has no flow log; declare one of ALL", urn=vpc.urn)
        for each in found:
            yield from expect(each, "trafficType", "ALL", message="must be ALL", urn=each.urn)


RULE = Rule(
    name="flow-logs",
    description="Every VPC has a flow log of all traffic.",
    severity=Severity.MEDIUM,
    supports=("AU-2", "AU-12", "SI-4", "164.312(b)", "DORA 10"),
    remedy="Declare a FlowLog with the VPC's id and trafficType ALL.",
    unknown="a flow log whose VPC is not made yet is recognised by its reference",
    check_stack=check,
)
