"""Logs are encrypted with a key of the customer's."""

from stacks.policy.keys import customer_key
from stacks.policy.rule import Rule, Severity

PLACES = {
    "aws:cloudwatch/logGroup:LogGroup": ("kmsKeyId",),
    "aws:cloudtrail/trail:Trail": ("kmsKeyId",),
    "aws:cloudtrail/eventDataStore:EventDataStore": ("kmsKeyId",),
}

RULE = Rule(
    name="customer-key-logs",
    description="Every log group and trail is encrypted with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set kmsKeyId to the ARN of a key that CloudWatch Logs or CloudTrail may use.",
    types=frozenset(PLACES),
    check=customer_key(PLACES),
)
