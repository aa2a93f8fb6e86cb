"""No password, key or token is written into a plan: services make their own."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity
from stacks.policy.settings import PolicySettings

PATHS = {
    "aws:rds/instance:Instance": ("password",),
    "aws:rds/cluster:Cluster": ("masterPassword",),
    "aws:redshift/cluster:Cluster": ("masterPassword",),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("authToken",),
    "aws:secretsmanager/secretVersion:SecretVersion": ("secretString", "secretBinary"),
    "aws:ssm/parameter:Parameter": ("value",),
    "aws:ec2/vpnConnection:VpnConnection": ("tunnel1PresharedKey", "tunnel2PresharedKey"),
}
PARAMETER = "aws:ssm/parameter:Parameter"


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """A value in one of these places would be in the state; known or not makes no difference."""
    if resource.type == PARAMETER and resource.props.get("type") in ("String", "StringList"):
        return
    for path in PATHS[resource.type]:
        # An empty text is what the engine sends for a pre-shared key that AWS makes.
        if resource.props.get(path) not in (None, ""):
            message = "puts a secret into the state; let the service make and keep it"
            yield Finding(path=path, message=message)


RULE = Rule(
    name="no-written-passwords",
    description="No password, pre-shared key or secret value is part of the plan.",
    severity=Severity.CRITICAL,
    supports=("IA-5", "SC-12", "SC-28(1)", "164.312(d)", "GDPR 32", "DORA 9"),
    remedy="Let AWS make it: manageMasterUserPassword, presharedKeyStorage SecretsManager.",
    unknown="a violation all the same: a value that is not known yet is written later",
    types=frozenset(PATHS),
    check=check,
)
