"""Secrets and secure parameters are encrypted with a key of the customer's."""

from collections.abc import Iterator

from stacks.policy.keys import of_customer
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

KEYS = {"aws:secretsmanager/secret:Secret": "kmsKeyId", "aws:ssm/parameter:Parameter": "keyId"}

PLAIN = ("String", "StringList")
"""A parameter of a type that is not known yet is taken for a secure one."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """A secret names a key, and so does a parameter that is secure."""
    path = KEYS[resource.type]
    if path == "kmsKeyId" or resource.props.get("type") not in PLAIN:
        yield from of_customer(path, resource.props.get(path))


RULE = Rule(
    name="customer-key-secrets",
    description="Every secret and secure parameter is encrypted with a customer key.",
    severity=Severity.HIGH,
    unknown="told; a parameter whose type is not known is taken for a secure one",
    supports=("SC-28(1)", "SC-12", "IA-5", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Set kmsKeyId, or a parameter's keyId, to the ARN of one of your keys.",
    types=frozenset(KEYS),
    check=check,
)
