"""No resource's own policy allows everybody something."""

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

POLICIES = {
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:s3/bucket:Bucket": "policy",
    "aws:sqs/queue:Queue": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topic:Topic": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:ecr/registryPolicy:RegistryPolicy": "policy",
    "aws:secretsmanager/secret:Secret": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:kinesis/resourcePolicy:ResourcePolicy": "policy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
}
BINDING = frozenset(
    {
        "aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn",
        "aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid", "aws:sourcevpc", "aws:sourcevpce",
        "aws:sourceip", "kms:calleraccount",
    }
)  # fmt: skip
"""Conditions that say whose request it is (IAM user guide, how S3 judges "public")."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """A statement for every principal needs a condition that says whose request it is."""
    path = POLICIES[resource.type]
    for statement in statements(resource.props.get(path), path):
        if statement.for_anybody and not bound(statement):
            message = "allows every principal; name principals, or add a condition on the caller"
            yield Finding(path=statement.where, message=message)


def bound(statement: Statement) -> bool:
    """Whether a condition narrows the principals to some; one with `*` alone does not."""
    for operator, tests in statement.conditions.items():
        if operator.lower().startswith(("stringnot", "arnnot", "notip")):
            continue
        for key, values in tests.items():
            listed = values if isinstance(values, list) else [values]
            if key.lower() in BINDING and not {"*", "0.0.0.0/0", "::/0"} & set(listed):
                return True
    return False


RULE = Rule(
    name="closed-resource-policies",
    description="No policy of a bucket, key, queue, topic, secret or registry allows everybody.",
    severity=Severity.CRITICAL,
    supports=("AC-3", "AC-6", "SC-7(5)", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Name the principals, or add a condition on the caller's account, VPC or endpoint.",
    types=frozenset(POLICIES),
    check=check,
)
