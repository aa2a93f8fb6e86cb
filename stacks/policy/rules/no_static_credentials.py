"""There is no user, no access key and no key pair: identities are borrowed, and end."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

KINDS = {
    "aws:iam/user:User": "a user",
    "aws:iam/accessKey:AccessKey": "an access key",
    "aws:iam/userLoginProfile:UserLoginProfile": "a user's password",
    "aws:iam/sshKey:SshKey": "a user's SSH key",
    "aws:iam/serviceSpecificCredential:ServiceSpecificCredential": "a user's password",
    "aws:ec2/keyPair:KeyPair": "an SSH key pair",
}


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """Each is a finding by being there."""
    message = f"is {KINDS[resource.type]}; let a role be assumed instead"
    yield Finding(path="", message=message)


RULE = Rule(
    name="no-static-credentials",
    description="There is no IAM user, no access key and no SSH key pair.",
    severity=Severity.CRITICAL,
    supports=("IA-5", "AC-6", "164.312(a)(2)(i)", "164.312(d)", "GDPR 32", "DORA 9"),
    remedy="Use a role: OIDC for pipelines, Roles Anywhere for hosts, Session Manager for people.",
    types=frozenset(KINDS),
    check=check,
)
