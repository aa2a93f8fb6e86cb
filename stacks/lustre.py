"""A parallel file system for training, filled from the data sets' bucket and emptied into it."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import pulumi
import pulumi_aws as aws

from stacks.firewall import let_through
from stacks.logs import log_group
from stacks.network import Reachable
from stacks.place import Place
from stacks.settings import parts
from stacks.storage import Bucket

PORTS = MappingProxyType({"lnet": (988, 988), "lnet-replies": (1018, 1023)})
"""TCP between clients and servers (FSx for Lustre user guide, file system access control)."""

MAINTENANCE = "7:03:00"
"""When AWS may maintain it, day of the week and UTC: Sunday night, when jobs rarely end."""

EVENTS = ["NEW", "CHANGED", "DELETED"]

DATA_SETS = "/datasets"
"""Where the bucket appears in the file system."""

LOG_PREFIX = "/aws/fsx/"
"""FSx writes to no log group that is called otherwise (its API, LustreLogCreateConfiguration)."""


@dataclass(frozen=True, kw_only=True)
class LustreArgs:
    """What the file system needs to know.

    Attributes:
        lustre: its size and speed.
        network: in whose isolated subnet it stands.
        zone: of which zone, counted from 0: that of the machines that read the most.
        datasets: the bucket that it is linked to.
    """

    place: Place
    lustre: parts.Lustre
    network: Reachable
    datasets: Bucket
    zone: int = 0


class Lustre(pulumi.ComponentResource):
    """A persistent FSx for Lustre file system: a scratch one takes no key of the customer's.

    Another subnet, security group or key makes a new file system, and what was not exported yet is
    lost with the old one; so it is protected where the environment is. There are no backups: FSx
    makes none of a file system that is linked to a bucket. The bucket, whose versions are kept, is
    the copy; changes are exported to it as they happen.

    Attributes:
        id: of the file system.
        group: the security group of its clients; a machine that is in it may mount.
        dns_name: the server's name.
        mount_name: what is mounted from it.
    """

    id: pulumi.Output[str]
    group: pulumi.Output[str]
    dns_name: pulumi.Output[str]
    mount_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: LustreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Lustre", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.group = self._firewall(name)
        made = self._file_system(name)
        self.id, self.dns_name, self.mount_name = made.id, made.dns_name, made.mount_name
        aws.fsx.DataRepositoryAssociation(
            name,
            file_system_id=made.id,
            file_system_path=DATA_SETS,
            data_repository_path=args.datasets.id.apply(lambda bucket: f"s3://{bucket}"),
            batch_import_meta_data_on_create=True,
            delete_data_in_filesystem=False,
            s3={
                "auto_import_policy": {"events": EVENTS},
                "auto_export_policy": {"events": EVENTS},
            },
            opts=self._child,
        )
        self.register_outputs({"id": self.id, "dns_name": self.dns_name})

    def _file_system(self, name: str) -> aws.fsx.LustreFileSystem:
        place, lustre = self._args.place, self._args.lustre
        logs = log_group(
            name, place, parent=self, called=f"{LOG_PREFIX}landfall/{place.environment}/{name}"
        )
        return aws.fsx.LustreFileSystem(
            name,
            deployment_type="PERSISTENT_2",
            storage_type="SSD",
            storage_capacity=lustre.capacity_gib,
            per_unit_storage_throughput=lustre.throughput,
            subnet_ids=self._args.network.isolated[self._args.zone],
            security_group_ids=[self.group],
            kms_key_id=place.keys["compute"],
            data_compression_type="LZ4",
            # EFA wants the metadata servers' capacity said (FSx user guide); so all have it said.
            metadata_configuration={"mode": "AUTOMATIC"},
            efa_enabled=lustre.efa,
            automatic_backup_retention_days=0,
            skip_final_backup=True,
            weekly_maintenance_start_time=MAINTENANCE,
            log_configuration={"level": "WARN_ERROR", "destination": logs.arn},
            tags={"Name": place.name(name)},
            opts=place.stateful(self),
        )

    def _firewall(self, name: str) -> pulumi.Output[str]:
        """Members talk to members, and nobody else does: servers and clients are both members."""
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=self._args.network.vpc_id,
            description="Landfall: Lustre, between its clients and its servers",
            tags={"Name": self._args.place.name(name)},
            opts=self._child,
        )
        if self._args.lustre.efa:
            # EFA's own traffic is no TCP: it is let through by a rule for everything among members.
            let_through(f"{name}-efa", group.id, group.id, None, self._child)
        else:
            for part, ports in PORTS.items():
                let_through(f"{name}-{part}", group.id, group.id, ports, self._child)
        return group.id
