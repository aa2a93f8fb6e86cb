"""A function is called by who may, not by everybody."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

URL = "aws:lambda/functionUrl:FunctionUrl"
PERMISSION = "aws:lambda/permission:Permission"
NARROWING = ("sourceArn", "sourceAccount", "principalOrgId")


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """No URL without IAM, and no permission for every caller or for a service of any account."""
    if resource.type == URL:
        yield from expect(resource, "authorizationType", "AWS_IAM", message="must be AWS_IAM")
        return
    principal = resource.props.get("principal")
    if principal is UNKNOWN:
        yield undecided("principal")
        return
    for_many = principal == "*" or str(principal).endswith(".amazonaws.com")
    if for_many and not any(resource.props.get(each) is not None for each in NARROWING):
        message = f"{principal} may be anybody's; name sourceArn, sourceAccount or principalOrgId"
        yield Finding(path="principal", message=message)


RULE = Rule(
    name="private-functions",
    description="No Lambda function can be called by everybody.",
    severity=Severity.HIGH,
    supports=("AC-3", "AC-6", "SC-7(5)", "164.312(a)(1)", "GDPR 32", "DORA 9"),
    remedy="Ask for IAM on function URLs; name the source of a permission.",
    types=frozenset({URL, PERMISSION}),
    check=check,
)
