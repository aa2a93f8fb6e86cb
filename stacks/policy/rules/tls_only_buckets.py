"""A bucket refuses requests without TLS."""

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding, Resource, Rule, Severity, Stack, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import NotYetKnown

BUCKET = "aws:s3/bucket:Bucket"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"


def check(stack: Stack, _: PolicySettings) -> Iterator[Finding]:
    """Each bucket has a policy with a statement that denies everybody what has no TLS."""
    for bucket in stack.of(BUCKET):
        policies = stack.attached(POLICY, "bucket", bucket)
        if not policies:
            message = "has no policy; declare one that denies aws:SecureTransport false"
            yield Finding(path="", message=message, urn=bucket.urn)
        for policy in policies:
            yield from _policy(policy)


def _policy(policy: Resource) -> Iterator[Finding]:
    try:
        found = statements(policy.props.get("policy"), "policy")
    except NotYetKnown as error:
        yield undecided(error.path, urn=policy.urn)
        return
    if not any(map(denies_plain, found)):
        message = "must deny every principal s3:* where aws:SecureTransport is false"
        yield Finding(path="policy", message=message, urn=policy.urn)


def denies_plain(statement: Statement) -> bool:
    """Whether a statement refuses every request without TLS, by whomever."""
    tested = [
        values
        for operator, values in statement.condition_values("aws:SecureTransport")
        if operator == "Bool"
    ]
    return (
        not statement.allows
        and "*" in statement.principals
        and bool({"*", "s3:*"} & set(statement.actions))
        and any(value.lower() == "false" for values in tested for value in values)
    )


RULE = Rule(
    name="tls-only-buckets",
    description="Every bucket has a policy that denies requests without TLS.",
    severity=Severity.HIGH,
    supports=("SC-8(1)", "SC-13", "164.312(e)(1)", "GDPR 32", "DORA 9"),
    remedy="Add a Deny statement with the condition Bool aws:SecureTransport false.",
    unknown="told: a policy with the ARN of a new bucket in it is read after `up`",
    check_stack=check,
)
