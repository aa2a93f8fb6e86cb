"""The audit trail covers everything and shows that nobody changed it."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Digest files are written, all regions and the global services are in, and it is on."""
    for path in ("enableLogFileValidation", "isMultiRegionTrail"):
        yield from expect(resource, path, True, message="must be true")
    for path in ("enableLogging", "includeGlobalServiceEvents"):
        yield from expect(resource, path, True, None, message="must be true or left out")


RULE = Rule(
    name="trail-validation",
    description="Every CloudTrail trail covers all regions and validates its files.",
    severity=Severity.HIGH,
    supports=("AU-2", "AU-10", "AU-9(3)", "AU-12", "164.312(b)", "DORA 10"),
    remedy="Set enableLogFileValidation and isMultiRegionTrail to true.",
    types=frozenset({"aws:cloudtrail/trail:Trail"}),
    check=check,
)
