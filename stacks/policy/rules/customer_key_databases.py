"""Databases are encrypted with a key of the customer's."""

from collections.abc import Iterator

from stacks.policy.keys import customer_key, of_customer
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings
from stacks.policy.values import at, truth

PLACES = {
    "aws:rds/instance:Instance": ("kmsKeyId",),
    "aws:rds/cluster:Cluster": ("kmsKeyId",),
    "aws:dynamodb/table:Table": ("serverSideEncryption.kmsKeyArn",),
    "aws:redshift/cluster:Cluster": ("kmsKeyId",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("kmsKeyId",),
}
SWITCHES: dict[str, tuple[str, object]] = {
    "aws:rds/instance:Instance": ("storageEncrypted", True),
    "aws:rds/cluster:Cluster": ("storageEncrypted", True),
    "aws:dynamodb/table:Table": ("serverSideEncryption.enabled", True),
    "aws:redshift/cluster:Cluster": ("encrypted", True),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("atRestEncryptionEnabled", True),
}
WHERE_ON = {
    "manageMasterUserPassword": "masterUserSecretKmsKeyId",
    "performanceInsightsEnabled": "performanceInsightsKmsKeyId",
}
"""What keeps data of its own once it is on, and the path of that data's key."""

_storage = customer_key(PLACES, SWITCHES)


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """The storage has a key, and so have the master secret and the insights where there are any."""
    yield from _storage(resource, settings)
    for switch, path in WHERE_ON.items():
        if truth(resource.props.get(switch)) is True:
            for where, value in at(resource.props, path):
                yield from of_customer(where, value)


RULE = Rule(
    name="customer-key-databases",
    description="Every database, its master secret and its insights have a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Name the ARN of one of your keys for the storage, the master secret and the insights.",
    types=frozenset(PLACES),
    check=check,
)
