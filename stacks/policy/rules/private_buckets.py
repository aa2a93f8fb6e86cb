"""No bucket can be made public, whatever a policy or an access list says."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Rule, Severity, Stack, expect, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ACL = "aws:s3/bucketAcl:BucketAcl"
SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
PUBLIC_ACLS = frozenset({"public-read", "public-read-write", "authenticated-read"})


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each bucket has a public access block with all four switches on, and no public list."""
    for bucket in stack.of(BUCKET):
        if not stack.attached(BLOCK, "bucket", bucket):
            message = "has no public access block; declare one with all four switches true"
            yield Finding(path="", message=message, urn=bucket.urn)
    for block in stack.of(BLOCK):
        for name in SWITCHES:
            yield from expect(block, name, True, message="must be true", urn=block.urn)
    for each in stack.of(ACL, BUCKET):
        for where, value in at(each.props, "acl"):
            if value is UNKNOWN and each.type == ACL:
                yield undecided(where, urn=each.urn)
            elif value is not UNKNOWN and value in PUBLIC_ACLS:
                yield Finding(path=where, message=f"{value} opens it to everybody", urn=each.urn)


RULE = Rule(
    name="private-buckets",
    description="Every bucket has a public access block with all four switches on.",
    severity=Severity.CRITICAL,
    supports=("AC-3", "AC-4", "SC-7(5)", "164.312(a)(1)", "GDPR 5(1)(f)", "DORA 9"),
    remedy="Declare a BucketPublicAccessBlock for the bucket with all four switches true.",
    unknown="told; a block whose bucket is not made yet is recognised by its reference",
    check_stack=check,
)
