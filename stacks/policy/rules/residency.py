"""Everything is, and stays, in the regions of the environment."""

import re
from collections.abc import Iterator
from typing import Any

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

PROVIDER = "pulumi:providers:aws"
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
ARN = re.compile(r"arn:[\w-]+:[\w-]+:([a-z]{2}(?:-[a-z]+)+-\d):")
EVERYWHERE = ("region", "availabilityZone", "availabilityZones")
COPIES = {
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": (
        "replicationConfiguration.rules.destinations.region",
    ),
    "aws:secretsmanager/secret:Secret": ("replicas.region",),
    "aws:dynamodb/table:Table": ("replicas.regionName",),
    "aws:rds/instance:Instance": ("replicateSourceDb",),
    "aws:rds/cluster:Cluster": ("sourceRegion", "replicationSourceIdentifier"),
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": (
        "sourceDbInstanceArn",
    ),
    "aws:backup/plan:Plan": ("rules.copyActions.destinationVaultArn",),
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": ("peerRegion",),
    "aws:ec2transitgateway/peeringAttachment:PeeringAttachment": ("peerRegion",),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("serviceRegion",),
    "aws:ebs/snapshotCopy:SnapshotCopy": ("sourceRegion",),
    "aws:ec2/amiCopy:AmiCopy": ("sourceAmiRegion",),
    "aws:kms/replicaKey:ReplicaKey": ("primaryKeyArn",),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
        "extendedS3Configuration.kmsKeyArn",
    ),
}
"""Where a copy to, or from, another region is named."""

FORBIDDEN = frozenset(
    {
        "aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint",
        "aws:dynamodb/globalTable:GlobalTable",
        "aws:rds/globalCluster:GlobalCluster",
    }
)
"""They are in several regions by their nature."""


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """Its own region, its zones, and the regions that it copies to or from."""
    if resource.type in FORBIDDEN and len(settings.regions) == 1:
        yield Finding(path="", message=f"is in several regions; only {settings.regions[0]} may be")
    if resource.type == PROVIDER and not resource.props.get("region"):
        yield Finding(path="region", message="is left out; name it, not the shell's environment")
    for path in (*EVERYWHERE, *COPIES.get(resource.type, ())):
        for where, value in at(resource.props, path):
            if value is not None:
                yield from _region(where, value, settings)


def _region(where: str, value: Any, settings: PolicySettings) -> Iterator[Finding]:
    if value is UNKNOWN:
        yield undecided(where)
        return
    found = ARN.match(str(value)) or REGION.match(str(value))
    region = found[found.lastindex or 0] if found else ""
    if region and region not in settings.regions:
        allowed = ", ".join(settings.regions)
        yield Finding(path=where, message=f"{value} is in {region}; allowed are {allowed}")


RULE = Rule(
    name="residency",
    description="Every resource, zone, replica and copy is in a region of the environment.",
    severity=Severity.CRITICAL,
    supports=("SA-9", "AC-4", "SI-12", "GDPR 44", "GDPR 30", "DORA 28"),
    remedy="Keep it in a region that the environment's policy file allows.",
    check=check,
)
