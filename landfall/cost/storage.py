"""What volumes, file systems, buckets and databases are billed for."""

from __future__ import annotations

from collections.abc import Iterator

from landfall.cost.compute import GP3
from landfall.cost.rate import (
    HOURS,
    Around,
    Gap,
    Metered,
    Rate,
    Resource,
    Term,
    Use,
    at,
    metered,
    number,
    on,
    text,
    unpriced,
)

GP3_IOPS = "EBS gp3 IOPS over 3000"
GP3_THROUGHPUT = "EBS gp3 throughput over 125 MB/s"
FREE_IOPS, FREE_MBPS = 3000, 125
"""What a gp3 volume has without charge (EBS User Guide, general purpose SSD)."""

LUSTRE = "FSx for Lustre PERSISTENT_2 SSD"
LUSTRE_SCRATCH = "FSx for Lustre SCRATCH_2 SSD"
S3_STORAGE = "S3 Standard storage, first 50 TB"
S3_WRITES = "S3 Standard PUT/COPY/POST/LIST"
RDS_BACKUP = "RDS backup storage over allowance"


def _volume(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    gb = number(props.get("size"))
    if props.get("type") != "gp3":
        yield Gap(reason=f"volume of the type {props.get('type', 'gp2')}: price not established")
        return
    if gb is None:
        yield Gap(reason="its size is not known here")
        return
    yield Use(item=GP3, quantity=gb)
    for item, name, free in (
        (GP3_IOPS, "iops", FREE_IOPS),
        (GP3_THROUGHPUT, "throughput", FREE_MBPS),
    ):
        over = (number(props.get(name)) or 0) - free
        if over > 0:
            yield Use(item=item, quantity=over)


def _lustre(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    gb, throughput = (
        number(props.get("storageCapacity")),
        number(props.get("perUnitStorageThroughput")),
    )
    kind = props.get("deploymentType", "SCRATCH_1")
    if props.get("storageType", "SSD") != "SSD" or kind not in {"PERSISTENT_2", "SCRATCH_2"}:
        yield Gap(reason=f"{kind} {props.get('storageType', 'SSD')}: its price is not established")
    elif gb is None or (kind == "PERSISTENT_2" and throughput is None):
        yield Gap(reason="its size or throughput is not known here")
    elif kind == "SCRATCH_2":
        yield Use(item=LUSTRE_SCRATCH, quantity=gb)
    else:
        yield Use(item=f"{LUSTRE}, {throughput:g} MB/s/TiB", quantity=gb)
    if at(props, "metadataConfiguration", "mode") == "USER_PROVISIONED":
        yield Gap(reason="provisioned metadata IOPS: their price is not established")
    if number(props.get("automaticBackupRetentionDays")):
        yield Gap(reason="backups of the file system: their price is not established")


def _efs(resource: Resource, _around: Around) -> Iterator[Term]:
    yield Metered(item="EFS Standard storage")
    provisioned = number(resource.props.get("provisionedThroughputInMibps"))
    if provisioned:
        yield Use(item="EFS provisioned throughput", quantity=provisioned)


def _database(resource: Resource, _around: Around) -> Iterator[Term]:
    props = resource.props
    size, engine = text(props.get("instanceClass")), text(props.get("engine"))
    gb, twice = number(props.get("allocatedStorage")), on(props.get("multiAz"))
    if not size or engine != "postgres":
        what = f"{engine or 'an unknown engine'} on {size or 'an unknown class'}"
        yield Gap(reason=f"database {what}: its price is not established")
    else:
        # Both the primary and the standby are billed (RDS User Guide, Multi-AZ DB instances).
        hours = HOURS * (2 if twice else 1)
        note = "Multi-AZ: two instances" if twice else ""
        yield Use(item=f"RDS PostgreSQL {size} Single-AZ", quantity=hours, note=note)
    if gb is None or props.get("storageType") != "gp3":
        kind = props.get("storageType", "gp2")
        yield Gap(reason=f"database storage of the type {kind}: its size or price is not known")
    else:
        zones = "Multi-AZ" if twice else "Single-AZ"
        yield Use(item=f"RDS storage gp3, {zones}", quantity=gb)
    yield Metered(item=RDS_BACKUP)


RATES: dict[str, Rate] = {
    "aws:ebs/volume:Volume": _volume,
    "aws:s3/bucket:Bucket": metered(S3_STORAGE, S3_WRITES),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": metered(
        "Data transfer out to other regions"
    ),
    "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration": unpriced(
        "accelerated transfers are billed by GB: their price is not established"
    ),
    "aws:fsx/lustreFileSystem:LustreFileSystem": _lustre,
    "aws:efs/fileSystem:FileSystem": _efs,
    "aws:rds/instance:Instance": _database,
    "aws:ecr/repository:Repository": metered("ECR private storage"),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": metered(
        "Data transfer out to other regions"
    ),
    "kubernetes:core/v1:PersistentVolumeClaim": unpriced(
        "a volume that Kubernetes asks for: its kind is not known here"
    ),
}
"""By type, what is billed."""
