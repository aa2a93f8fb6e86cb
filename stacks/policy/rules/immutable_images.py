"""A tag of an image always means the same image, and every image is scanned."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings

IMMUTABLE = ("IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION")


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Tags cannot be moved, and a push is scanned."""
    path = "imageTagMutability"
    yield from expect(resource, path, *IMMUTABLE, message="must be IMMUTABLE")
    path = "imageScanningConfiguration.scanOnPush"
    yield from expect(resource, path, True, message="must be true")


RULE = Rule(
    name="immutable-images",
    description="Container repositories have immutable tags and scan what is pushed.",
    severity=Severity.HIGH,
    supports=("SI-7", "SR-11", "RA-5", "CM-3(2)", "164.312(c)(1)", "DORA 9"),
    remedy="Set imageTagMutability to IMMUTABLE and scanOnPush to true.",
    types=frozenset({"aws:ecr/repository:Repository"}),
    check=check,
)
