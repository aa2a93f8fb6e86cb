"""No role may do everything of a service to everything, by a policy of its own."""

from collections.abc import Iterator

from stacks.policy.permissions import too_wide
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings
from stacks.policy.values import items

POLICIES = frozenset(
    {
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/userPolicy:UserPolicy",
    }
)
ROLE = "aws:iam/role:Role"


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """The policy itself, and those that a role carries inside."""
    if resource.type in POLICIES:
        yield from too_wide(resource.props.get("policy"), "policy")
        return
    for index, each in enumerate(items(resource.props.get("inlinePolicies"), "inlinePolicies")):
        yield from too_wide(each.get("policy"), f"inlinePolicies[{index}].policy")


RULE = Rule(
    name="no-wildcard-permissions",
    description="No role's own policy allows every action of a service on every resource.",
    severity=Severity.HIGH,
    supports=("AC-6", "AC-3", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Name the actions that are needed, or the resources that they are needed on.",
    types=POLICIES | {ROLE},
    check=check,
)
