"""No role is given one of AWS's policies that allow everything."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

PATHS = {
    "aws:iam/role:Role": "managedPolicyArns",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "policyArns",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "managedPolicyArn",
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": "policyArn",
}
TOO_WIDE = frozenset(
    {
        "AdministratorAccess", "PowerUserAccess", "IAMFullAccess", "AmazonS3FullAccess",
        "AmazonEC2FullAccess", "AWSKeyManagementServicePowerUser", "SecretsManagerReadWrite",
    }
)  # fmt: skip


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """No policy of AWS that gives a whole service, or the account, away."""
    for where, value in at(resource.props, PATHS[resource.type]):
        for each in value if isinstance(value, list) else [value]:
            if each is UNKNOWN:
                yield undecided(where)
            elif str(each).rpartition("/")[2] in TOO_WIDE:
                yield Finding(path=where, message=f"{each} gives too much; write a policy")


RULE = Rule(
    name="no-administrators",
    description="No role is attached to one of AWS's policies that allow a whole service.",
    severity=Severity.CRITICAL,
    supports=("AC-6", "AC-3", "164.312(a)(1)", "GDPR 25", "DORA 9"),
    remedy="Write a policy with the actions that the role needs.",
    types=frozenset(PATHS),
    check=check,
)
