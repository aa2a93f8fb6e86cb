"""A role trusts a pipeline's environment, not whoever can open a pull request."""

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
EXACT = frozenset({"stringequals", "foranyvalue:stringequals"})
SHARED = "pull_request"
"""The subject that every workflow of a pull request has, of whatever branch (GitHub's OIDC)."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Trust in an OIDC provider names subjects exactly; trust in principals is never for all."""
    for statement in statements(resource.props.get("assumeRolePolicy"), "assumeRolePolicy"):
        if statement.for_anybody and not statement.conditions:
            yield Finding(path=statement.where, message="trusts every principal there is")
        if statement.allows and WEB_IDENTITY in statement.actions:
            yield from _subjects(statement)


def _subjects(statement: Statement) -> Iterator[Finding]:
    found = [
        (operator, value)
        for operator, tests in statement.conditions.items()
        for key, values in tests.items()
        if key.endswith(":sub")
        for value in (values if isinstance(values, list) else [values])
    ]
    if not found:
        message = "trusts every subject of the provider; test its sub with StringEquals"
        yield Finding(path=statement.where, message=message)
    for operator, value in found:
        if operator.lower() not in EXACT or "*" in value or "?" in value:
            message = f"{operator} {value} is a pattern; name the subject with StringEquals"
            yield Finding(path=statement.where, message=message)
        if value.split(":")[-1] == SHARED:
            message = f"{value} is the subject of every pull request; name an environment"
            yield Finding(path=statement.where, message=message)


RULE = Rule(
    name="trusted-subjects",
    description="A role that trusts an OIDC provider names its subjects exactly.",
    severity=Severity.CRITICAL,
    supports=("AC-3", "AC-6", "IA-5", "164.312(d)", "GDPR 32", "DORA 9"),
    remedy="Test the provider's sub with StringEquals against an environment's subject.",
    types=frozenset({"aws:iam/role:Role"}),
    check=check,
)
