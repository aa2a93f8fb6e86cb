"""The API of a Kubernetes cluster is reached from the network alone."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """AWS's defaults are public on and private off, so both must be written."""
    for name, wanted in (("endpointPublicAccess", False), ("endpointPrivateAccess", True)):
        path = f"vpcConfig.{name}"
        yield from expect(resource, path, wanted, message=f"must be written, and {wanted}")


RULE = Rule(
    name="private-clusters",
    description="An EKS cluster has a private endpoint and no public one.",
    severity=Severity.CRITICAL,
    supports=("AC-4", "SC-7(5)", "SC-7(21)", "164.312(a)(1)", "GDPR 32", "DORA 9"),
    remedy="Set vpcConfig.endpointPublicAccess to false and endpointPrivateAccess to true.",
    types=frozenset({"aws:eks/cluster:Cluster"}),
    check=check,
)
