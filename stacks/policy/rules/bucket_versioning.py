"""A bucket keeps former versions of what it holds."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Rule, Severity, Stack, expect
from stacks.policy.settings import PolicySettings

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each bucket has versioning, and each of those is enabled."""
    for bucket in stack.of(BUCKET):
        if not stack.attached(VERSIONING, "bucket", bucket):
            message = "has no versioning; declare a BucketVersioning"
            yield Finding(path="", message=message, urn=bucket.urn)
    path = "versioningConfiguration.status"
    for each in stack.of(VERSIONING):
        yield from expect(each, path, "Enabled", message="must be Enabled", urn=each.urn)


RULE = Rule(
    name="bucket-versioning",
    description="Every bucket keeps former versions.",
    severity=Severity.HIGH,
    supports=("CP-9", "CP-10", "SI-12", "164.312(c)(1)", "GDPR 32", "DORA 12"),
    remedy="Declare a BucketVersioning for the bucket with status Enabled.",
    unknown="told; versioning whose bucket is not made yet is recognised by its reference",
    check_stack=check,
)
