"""The registry's tables: PostgreSQL that only the registry reaches, whose password AWS keeps."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.logs import log_group
from stacks.network import Ids
from stacks.place import Place
from stacks.registry_server import DATABASE
from stacks.settings import parts

VERSION = "17"
"""PostgreSQL's major version; RDS keeps the minor one up to date."""

FAMILY = f"postgres{VERSION}"

PORT = 5432

BACKUP_DAYS = {True: 35, False: 7}
"""How far back it can be set, by whether it is protected; 35 is the longest (RDS user guide)."""

INSIGHTS_DAYS = 7
"""What the standard mode of Database Insights includes (its user guide)."""

LOGS = ("postgresql", "upgrade")
"""What RDS exports of PostgreSQL (RDS user guide)."""

PARAMETERS = {"rds.force_ssl": "1", "log_connections": "1", "log_disconnections": "1"}


@dataclass(frozen=True, kw_only=True)
class RegistryDatabaseArgs:
    """What the database needs to know.

    Attributes:
        registry: its class, size, and whether a standby stands in another zone.
        subnets: isolated ones, in two zones at least.
        group: its security group.
    """

    place: Place
    registry: parts.Registry
    subnets: Ids
    group: pulumi.Output[str]


class RegistryDatabase(pulumi.ComponentResource):
    """PostgreSQL on RDS, with TLS forced, encrypted with the registry's key.

    Attributes:
        address: its name in the network.
        password_arn: the secret that RDS made, keeps and changes every week; a JSON object.
    """

    address: pulumi.Output[str]
    password_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: RegistryDatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:RegistryDatabase", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        made = self._instance(name, args, self._logs(name, args.place))
        self.address = made.address
        self.password_arn = made.master_user_secrets[0].secret_arn
        self.register_outputs({"address": self.address})

    def _logs(self, name: str, place: Place) -> list[pulumi.Resource]:
        """The groups that RDS writes to. Where they are not there, it makes them, kept for ever."""
        return [
            log_group(
                f"{name}-{kind}",
                place,
                parent=self,
                called=f"/aws/rds/instance/{place.name(name)}/{kind}",
            )
            for kind in LOGS
        ]

    def _instance(
        self, name: str, args: RegistryDatabaseArgs, logs: list[pulumi.Resource]
    ) -> aws.rds.Instance:
        place, key = args.place, args.place.keys["registry"]
        subnets = aws.rds.SubnetGroup(
            name, name=place.name(name), subnet_ids=args.subnets, opts=self._child
        )
        parameters = aws.rds.ParameterGroup(
            name,
            name=f"{place.name(name)}-{FAMILY}",
            family=FAMILY,
            parameters=[
                {"name": parameter, "value": value, "apply_method": "pending-reboot"}
                for parameter, value in PARAMETERS.items()
            ],
            opts=self._child,
        )
        return aws.rds.Instance(
            name,
            identifier=place.name(name),
            engine="postgres",
            engine_version=VERSION,
            auto_minor_version_upgrade=True,
            instance_class=args.registry.database_class,
            allocated_storage=args.registry.database_gib,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=key,
            db_name=DATABASE,
            username=DATABASE,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key,
            multi_az=args.registry.standby,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[args.group],
            publicly_accessible=False,
            parameter_group_name=parameters.name,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            backup_retention_period=BACKUP_DAYS[place.protect],
            backup_window="01:00-02:00",
            maintenance_window="sun:03:00-sun:04:00",
            copy_tags_to_snapshot=True,
            deletion_protection=place.protect,
            delete_automated_backups=not place.protect,
            skip_final_snapshot=not place.protect,
            final_snapshot_identifier=f"{place.name(name)}-last" if place.protect else None,
            database_insights_mode="standard",
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key,
            performance_insights_retention_period=INSIGHTS_DAYS,
            enabled_cloudwatch_logs_exports=list(LOGS),
            opts=pulumi.ResourceOptions.merge(
                place.stateful(self), pulumi.ResourceOptions(depends_on=logs)
            ),
        )
