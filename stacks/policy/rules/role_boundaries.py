"""Roles stay within the boundary and under the path that the organisation set."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """Where the environment asks for them, each role has a boundary and the path."""
    if settings.permissions_boundary and not resource.props.get("permissionsBoundary", ""):
        message = "is left out; give the ARN of the organisation's boundary"
        yield Finding(path="permissionsBoundary", message=message)
    path = resource.props.get("path")
    if path is UNKNOWN:
        yield undecided("path")
    elif not (path or "/").startswith(settings.role_path):
        message = f"is {path or '/'}; it must begin with {settings.role_path}"
        yield Finding(path="path", message=message)


RULE = Rule(
    name="role-boundaries",
    description="Every role has the permission boundary and the path that the environment asks.",
    severity=Severity.HIGH,
    supports=("AC-6", "CM-6", "164.312(a)(1)", "DORA 9"),
    remedy="Set permissionsBoundary and path on the role.",
    types=frozenset({"aws:iam/role:Role"}),
    check=check,
)
