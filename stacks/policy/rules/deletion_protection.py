"""What holds state refuses to be deleted by a slip."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

SWITCHES = {
    "aws:rds/instance:Instance": "deletionProtection",
    "aws:rds/cluster:Cluster": "deletionProtection",
    "aws:eks/cluster:Cluster": "deletionProtection",
    "aws:lb/loadBalancer:LoadBalancer": "enableDeletionProtection",
    "aws:dynamodb/table:Table": "deletionProtectionEnabled",
}
EMPTIED = {
    "aws:s3/bucket:Bucket": "forceDestroy",
    "aws:ecr/repository:Repository": "forceDelete",
}
WINDOWS = {
    "aws:kms/key:Key": ("deletionWindowInDays", 30),
    "aws:secretsmanager/secret:Secret": ("recoveryWindowInDays", 30),
}
"""The path of a wait before the end, in days, and AWS's default."""


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """Where the environment asks, switches are on and nothing is emptied to be deleted."""
    kind = resource.type
    if kind in SWITCHES and settings.deletion_protection:
        yield from expect(resource, SWITCHES[kind], True, message="must be true here")
    if kind in EMPTIED and settings.deletion_protection:
        message = "must be false here: it deletes what is in it"
        yield from expect(resource, EMPTIED[kind], False, None, message=message)
    if kind in WINDOWS:
        yield from _window(resource, settings.kms_deletion_window_days)


def _window(resource: Resource, wanted: int) -> Iterator[Finding]:
    path, default = WINDOWS[resource.type]
    days = resource.props.get(path)
    if days is UNKNOWN:
        yield undecided(path)
    elif (default if days is None else days) < wanted:
        yield Finding(path=path, message=f"is {days:g} days; {wanted} or more are needed")


RULE = Rule(
    name="deletion-protection",
    description="Databases, clusters, load balancers, keys, secrets and buckets resist deletion.",
    severity=Severity.HIGH,
    supports=("CP-9", "CP-10", "SI-12", "164.312(c)(1)", "GDPR 32", "DORA 11"),
    remedy="Turn the protection on; leave forceDestroy out; lengthen the window.",
    types=frozenset(SWITCHES | EMPTIED | WINDOWS),
    check=check,
)
