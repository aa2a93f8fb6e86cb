"""Buckets are encrypted with a key of the customer's."""

from collections.abc import Iterator

from stacks.policy.keys import comes_from_key, of_customer
from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, expect, names
from stacks.policy.settings import PolicySettings
from stacks.policy.values import at

BUCKET = "aws:s3/bucket:Bucket"
ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
LOGGING = "aws:s3/bucketLogging:BucketLogging"
PLACE = "rules.applyServerSideEncryptionByDefault"
WITH_KEYS = ("aws:kms", "aws:kms:dsse")


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each bucket has an encryption configuration, and each of those names KMS and a key."""
    for bucket in stack.of(BUCKET):
        if not stack.attached(ENCRYPTION, "bucket", bucket):
            message = "has no encryption configuration; AWS's own key would be used"
            yield Finding(path="", message=message, urn=bucket.urn)
    targets = [each for each in stack.of(BUCKET) if _takes_access_logs(stack, each)]
    for each in stack.of(ENCRYPTION):
        if not any(names(each, "bucket", target) for target in targets):
            yield from _configuration(each)


def _takes_access_logs(stack: Stack, bucket: Resource) -> bool:
    """Whether S3 writes access logs into a bucket: it can do so with its own key alone."""
    return bool(stack.attached(LOGGING, "targetBucket", bucket))


def _configuration(found: Resource) -> Iterator[Finding]:
    algorithm = f"{PLACE}.sseAlgorithm"
    yield from expect(found, algorithm, *WITH_KEYS, message="must be aws:kms", urn=found.urn)
    for where, value in at(found.props, f"{PLACE}.kmsMasterKeyId"):
        made_here = comes_from_key(found, "rules")
        yield from of_customer(where, value, made_here=made_here, urn=found.urn)


RULE = Rule(
    name="customer-key-buckets",
    description="Every bucket has a customer key, but one that S3 writes access logs into.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Declare a BucketServerSideEncryptionConfiguration with aws:kms and the ARN of a key.",
    unknown="passes where the value comes from a key of the stack; told otherwise",
    check_stack=check,
)
