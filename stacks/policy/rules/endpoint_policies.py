"""A VPC endpoint lets through what is named, not all there is."""

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

WITHOUT_POLICY = frozenset({"GatewayLoadBalancer", "Resource", "ServiceNetwork"})
"""Kinds of endpoints that take no policy (Amazon VPC guide)."""

WITHOUT_PRINCIPAL = frozenset({"rolesanywhere:CreateSession"})
"""What is called with a certificate, before there is a principal: the trust anchor decides."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """An endpoint without a policy has AWS's default one, which allows everything."""
    if resource.props.get("vpcEndpointType") in WITHOUT_POLICY:
        return
    policy = resource.props.get("policy")
    if policy is None:
        yield Finding(path="policy", message="is left out, which allows everything; name what may")
        return
    for statement in statements(policy, "policy"):
        if statement.allows and (fault := _fault(statement)):
            yield Finding(path=statement.where, message=fault)


def _fault(statement: Statement) -> str:
    if statement.negated:
        return "allows all but what it names; name what is allowed"
    if "*" in statement.actions:
        return "allows every action; name those that are needed"
    if set(statement.actions) <= WITHOUT_PRINCIPAL:
        return ""
    open_to_all = "*" in statement.principals and "*" in statement.resources
    if open_to_all and not statement.conditions:
        return "allows every principal on every resource; name resources, or add a condition"
    return ""


RULE = Rule(
    name="endpoint-policies",
    description="Every VPC endpoint has a policy that names actions, and resources or principals.",
    severity=Severity.HIGH,
    supports=("AC-4", "AC-6", "SC-7(5)", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Give the endpoint a policy with the actions and resources that are needed.",
    types=frozenset(
        {"aws:ec2/vpcEndpoint:VpcEndpoint", "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"}
    ),
    check=check,
)
