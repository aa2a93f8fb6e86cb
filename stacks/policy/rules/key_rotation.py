"""Keys are rotated."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings

SYMMETRIC = (None, "", "SYMMETRIC_DEFAULT")
"""The only keys that AWS rotates by itself; the others are replaced by hand."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """A symmetric key that AWS made is rotated by AWS."""
    spec = resource.props.get("customerMasterKeySpec")
    if spec in SYMMETRIC and resource.props.get("customKeyStoreId") is None:
        yield from expect(resource, "enableKeyRotation", True, message="must be true")


RULE = Rule(
    name="key-rotation",
    description="Every symmetric KMS key is rotated.",
    severity=Severity.MEDIUM,
    supports=("SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set enableKeyRotation to true.",
    types=frozenset({"aws:kms/key:Key"}),
    check=check,
)
