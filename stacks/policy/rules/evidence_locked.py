"""What may be evidence cannot be changed or deleted, by nobody."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, expect, names, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, NotYetKnown

BUCKET = "aws:s3/bucket:Bucket"
TRAIL = "aws:cloudtrail/trail:Trail"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
TAG = "landfall:evidence"
"""The tag that says that a bucket holds evidence, with the value `true`."""


def check(stack: Stack, settings: PolicySettings) -> Iterator[Finding]:
    """A bucket that a trail writes to, or that is tagged as evidence, is locked for long enough."""
    trails = list(stack.of(TRAIL))
    for bucket in stack.of(BUCKET):
        try:
            evidence = str(bucket.tags.get(TAG)).lower() == "true"
        except NotYetKnown as error:
            yield undecided(error.path, urn=bucket.urn)
            continue
        if evidence or any(names(trail, "s3BucketName", bucket) for trail in trails):
            yield from _locked(stack, bucket, settings.evidence_days)


def _locked(stack: Stack, bucket: Resource, days: int) -> Iterator[Finding]:
    message = "holds evidence, so it must be true"
    yield from expect(bucket, "objectLockEnabled", True, message=message, urn=bucket.urn)
    locks = stack.attached(LOCK, "bucket", bucket)
    if not locks:
        message = f"holds evidence; declare an object lock of {days} days or more"
        yield Finding(path="", message=message, urn=bucket.urn)
    for lock in locks:
        try:
            kept = _days(lock)
        except NotYetKnown:
            yield undecided("rule.defaultRetention", urn=lock.urn)
            continue
        if kept < days:
            message = f"locks for {kept} days; {days} are needed"
            yield Finding(path="rule.defaultRetention", message=message, urn=lock.urn)


def _days(lock: Resource) -> int:
    kept = (lock.props.get("rule") or {}).get("defaultRetention") or {}
    if UNKNOWN in kept.values():
        raise NotYetKnown
    return int(kept.get("days") or 0) + 365 * int(kept.get("years") or 0)


RULE = Rule(
    name="evidence-locked",
    description="A bucket that holds evidence is locked for as long as the environment asks.",
    severity=Severity.HIGH,
    supports=("AU-10", "AU-11", "SI-12", "164.312(c)(1)", "164.316(b)(2)(i)", "DORA 12"),
    remedy="Set objectLockEnabled and declare a BucketObjectLockConfiguration with a retention.",
    unknown="told",
    check_stack=check,
)
