"""Container registries are encrypted with a key of the customer's."""

from stacks.policy.keys import customer_key
from stacks.policy.rule import Rule, Severity

PLACES = {
    "aws:ecr/repository:Repository": ("encryptionConfigurations.kmsKey",),
}
SWITCHES: dict[str, tuple[str, object]] = {
    "aws:ecr/repository:Repository": ("encryptionConfigurations.encryptionType", "KMS"),
}

RULE = Rule(
    name="customer-key-registries",
    description="Every container repository is encrypted with a customer key.",
    severity=Severity.HIGH,
    supports=("SC-28(1)", "SC-12", "SC-13", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set encryptionConfigurations to KMS with the ARN of a key; it is fixed at creation.",
    types=frozenset(PLACES),
    check=customer_key(PLACES, SWITCHES),
)
