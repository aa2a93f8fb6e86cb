"""Databases and file systems are backed up."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, expect, given, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

DAYS = {
    "aws:rds/instance:Instance": "backupRetentionPeriod",
    "aws:rds/cluster:Cluster": "backupRetentionPeriod",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "automaticBackupRetentionDays",
    "aws:fsx/openZfsFileSystem:OpenZfsFileSystem": "automaticBackupRetentionDays",
}
LUSTRE = "aws:fsx/lustreFileSystem:LustreFileSystem"
ASSOCIATION = "aws:fsx/dataRepositoryAssociation:DataRepositoryAssociation"
TABLE = "aws:dynamodb/table:Table"
EFS = "aws:efs/fileSystem:FileSystem"
EFS_POLICY = "aws:efs/backupPolicy:BackupPolicy"


def check(stack: Stack, settings: PolicySettings) -> Iterator[Finding]:
    """Each keeps backups long enough; a Lustre file system may be a cache of a bucket instead."""
    for kind, path in DAYS.items():
        for each in stack.of(kind):
            cached = kind == LUSTRE and stack.attached(ASSOCIATION, "fileSystemId", each)
            if not cached:
                yield from _days(each, path, settings.backup_retention_days)
    for each in stack.of(TABLE):
        path = "pointInTimeRecovery.enabled"
        yield from expect(each, path, True, message="must be true", urn=each.urn)
    for each in stack.of(EFS):
        policies = stack.attached(EFS_POLICY, "fileSystemId", each)
        if not policies:
            message = "has no backup policy; declare one with status ENABLED"
            yield Finding(path="", message=message, urn=each.urn)
        for policy in policies:
            path = "backupPolicy.status"
            yield from expect(policy, path, "ENABLED", message="must be ENABLED", urn=policy.urn)


def _days(resource: Resource, path: str, wanted: int) -> Iterator[Finding]:
    days = given(resource, path)
    if days is UNKNOWN:
        yield undecided(path, urn=resource.urn)
    elif (days or 0) < wanted:
        message = f"is {days or 0:g} days; {wanted} or more are needed"
        yield Finding(path=path, message=message, urn=resource.urn)


RULE = Rule(
    name="backups",
    description="Databases and file systems are backed up, or are a cache of a versioned bucket.",
    severity=Severity.HIGH,
    supports=("CP-9", "CP-10", "164.308(a)(7)(ii)(D)", "GDPR 32", "DORA 12"),
    remedy="Set the retention of backups, or associate the Lustre file system with a bucket.",
    unknown="told",
    check_stack=check,
)
