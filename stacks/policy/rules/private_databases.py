"""A database, a broker or a notebook has no public name or address."""

from collections.abc import Iterator

from stacks.policy.rule import Finding, Resource, Rule, Severity, expect
from stacks.policy.settings import PolicySettings

SWITCHES: dict[str, tuple[str, tuple[object, ...]]] = {
    "aws:rds/instance:Instance": ("publiclyAccessible", (False, None)),
    "aws:rds/cluster:Cluster": ("publiclyAccessible", (False, None)),
    "aws:rds/clusterInstance:ClusterInstance": ("publiclyAccessible", (False, None)),
    "aws:redshift/cluster:Cluster": ("publiclyAccessible", (False,)),
    "aws:mq/broker:Broker": ("publiclyAccessible", (False, None)),
    "aws:dms/replicationInstance:ReplicationInstance": ("publiclyAccessible", (False,)),
    "aws:msk/cluster:Cluster": (
        "brokerNodeGroupInfo.connectivityInfo.publicAccess.type",
        ("DISABLED", None),
    ),
    "aws:sagemaker/domain:Domain": ("appNetworkAccessType", ("VpcOnly",)),
    "aws:sagemaker/notebookInstance:NotebookInstance": ("directInternetAccess", ("Disabled",)),
}
"""For each type its switch, and the values that keep it private; None where AWS's default does."""


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """The switch of each type stands at a private value."""
    path, wanted = SWITCHES[resource.type]
    yield from expect(resource, path, *wanted, message=f"must be {wanted[0]!r}")


RULE = Rule(
    name="private-databases",
    description="No database, broker or notebook is publicly accessible.",
    severity=Severity.CRITICAL,
    supports=("AC-3", "AC-4", "SC-7(5)", "164.312(a)(1)", "GDPR 32", "DORA 9"),
    remedy="Turn public access off and reach it over the link.",
    types=frozenset(SWITCHES),
    check=check,
)
