"""Nobody may do everything of a service to everything."""

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings
from stacks.policy.values import items

POLICIES = frozenset(
    {
        "aws:iam/policy:Policy",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/userPolicy:UserPolicy",
    }
)
ROLE = "aws:iam/role:Role"


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """The policy itself, and those that a role carries inside."""
    if resource.type in POLICIES:
        yield from _document(resource.props.get("policy"), "policy")
        return
    for index, each in enumerate(items(resource.props.get("inlinePolicies"), "inlinePolicies")):
        yield from _document(each.get("policy"), f"inlinePolicies[{index}].policy")


def _document(text: object, path: str) -> Iterator[Finding]:
    for statement in statements(text, path):
        if statement.allows and (fault := fault_of(statement)):
            yield Finding(path=statement.where, message=fault)


def fault_of(statement: Statement) -> str:
    """What is too wide in a statement that allows something; "" where nothing is."""
    if statement.negated:
        return "allows all but what it names; name what is allowed"
    if not any(map(_all_resources, statement.resources)):
        return ""
    wide = [each for each in statement.actions if each == "*" or each.endswith(":*")]
    return f"allows {', '.join(wide)} on every resource; name actions or resources" if wide else ""


def _all_resources(resource: str) -> bool:
    """`*`, and ARNs in which only the service is named, as `arn:aws:s3:::*`."""
    return resource.rpartition(":")[2] in {"*", "*/*"}


RULE = Rule(
    name="no-wildcard-permissions",
    description="No policy allows every action of a service on every resource.",
    severity=Severity.HIGH,
    supports=("AC-6", "AC-3", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Name the actions that are needed, or the resources that they are needed on.",
    types=POLICIES | {ROLE},
    check=check,
)
