"""No policy that can be attached allows everything of a service to everything."""

from collections.abc import Iterator

from stacks.policy.permissions import too_wide
from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, names, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import NotYetKnown

POLICY = "aws:iam/policy:Policy"
HOLDERS = ("aws:iam/role:Role", "aws:iam/user:User")
ATTACHMENTS = (
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
)


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each policy but those that only bound: a boundary gives nothing, it takes away."""
    for policy in stack.of(POLICY):
        if not _only_bounds(stack, policy):
            try:
                yield from too_wide(policy.props.get("policy"), "policy", urn=policy.urn)
            except NotYetKnown as error:
                yield undecided(error.path, urn=policy.urn)


def _only_bounds(stack: Stack, policy: Resource) -> bool:
    bounds = any(names(each, "permissionsBoundary", policy) for each in stack.of(*HOLDERS))
    attached = any(names(each, "policyArn", policy) for each in stack.of(*ATTACHMENTS))
    inside = any(
        policy.urn in each.uses.get("managedPolicyArns", ()) for each in stack.of(*HOLDERS)
    )
    return bounds and not attached and not inside


RULE = Rule(
    name="no-wildcard-policies",
    description="No managed policy, but a boundary, allows a whole service on every resource.",
    severity=Severity.HIGH,
    supports=("AC-6", "AC-3", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Name the actions that are needed, or the resources that they are needed on.",
    unknown="told; a boundary that is not made yet is recognised by its reference",
    check_stack=check,
)
