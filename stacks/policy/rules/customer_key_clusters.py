"""Secrets of a Kubernetes cluster are encrypted with a key of the customer's."""

from stacks.policy.keys import customer_key
from stacks.policy.rule import Rule, Severity

PLACES = {
    "aws:eks/cluster:Cluster": ("encryptionConfig.provider.keyArn",),
}

RULE = Rule(
    name="customer-key-clusters",
    description="Every EKS cluster encrypts its secrets with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Give encryptionConfig with the resource 'secrets' and the ARN of one of your keys.",
    types=frozenset(PLACES),
    check=customer_key(PLACES),
)
