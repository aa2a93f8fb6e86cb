"""A load balancer listens inside the network."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """AWS's default is a public one."""
    yield from expect(resource, "internal", True, message="must be written, and true")


RULE = Rule(
    name="internal-load-balancers",
    description="Every load balancer is internal.",
    severity=Severity.CRITICAL,
    supports=("AC-4", "SC-7(5)", "164.312(e)(1)", "GDPR 32", "DORA 9"),
    remedy="Set internal to true.",
    types=frozenset(
        {
            "aws:lb/loadBalancer:LoadBalancer",
            "aws:alb/loadBalancer:LoadBalancer",
            "aws:elb/loadBalancer:LoadBalancer",
        }
    ),
    check=check,
)
