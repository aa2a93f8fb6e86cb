"""Queues, topics and streams are encrypted with a key of the customer's."""

from stacks.policy.keys import customer_key
from stacks.policy.rule import Rule, Severity

PLACES = {
    "aws:sqs/queue:Queue": ("kmsMasterKeyId",),
    "aws:sns/topic:Topic": ("kmsMasterKeyId",),
    "aws:kinesis/stream:Stream": ("kmsKeyId",),
    "aws:msk/cluster:Cluster": ("encryptionInfo.encryptionAtRestKmsKeyArn",),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": ("serverSideEncryption.keyArn",),
}
SWITCHES: dict[str, tuple[str, object]] = {
    "aws:kinesis/stream:Stream": ("encryptionType", "KMS"),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
        "serverSideEncryption.enabled",
        True,
    ),
}

RULE = Rule(
    name="customer-key-messages",
    description="Every queue, topic, stream and broker is encrypted with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Name the ARN of one of your keys.",
    types=frozenset(PLACES),
    check=customer_key(PLACES, SWITCHES),
)
