"""The registry's tasks on Fargate: which image, with which rights, how many, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks import registry_server as server_of
from stacks.images import repository_name
from stacks.logs import log_group
from stacks.network import Ids
from stacks.place import Place
from stacks.registry_server import Server
from stacks.roles import role
from stacks.statements import assumed_by
from stacks.storage import Bucket

CPU, MEMORY = "1024", "4096"
"""One vCPU and 4 GiB: two workers of MLflow, with room for the parts of a file in between."""

PLATFORM = "1.4.0"
"""Fargate's version with a writable folder that a key encrypts (ECS developer guide)."""


@dataclass(frozen=True, kw_only=True)
class RegistryServiceArgs:
    """What the tasks need to know.

    Attributes:
        server: what runs in them.
        image: `<repository>@<digest>`, in the registry of images below.
        images: `<account>.dkr.ecr.<region>.amazonaws.com`.
        copies: how many run.
        subnets: where they stand, one copy in each.
        group: their security group.
        target: the target group of the load balancer.
        administrator_arn: the secret with the first user's password.
        session_arn: the secret that forms are signed with.
        database_arn: the secret with the database's password.
        artifacts: the bucket that holds the files.
    """

    place: Place
    server: pulumi.Output[Server]
    image: str
    images: pulumi.Output[str]
    copies: int
    subnets: Ids
    group: pulumi.Output[str]
    target: pulumi.Output[str]
    administrator_arn: pulumi.Output[str]
    session_arn: pulumi.Output[str]
    database_arn: pulumi.Output[str]
    artifacts: Bucket


class RegistryService(pulumi.ComponentResource):
    """A service that replaces its tasks one by one, and goes back where the new ones fail."""

    def __init__(
        self, name: str, args: RegistryServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:RegistryService", name, {}, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        aws.ecs.Service(
            name,
            name=args.place.name(name),
            cluster=self._cluster(),
            task_definition=self._task(),
            launch_type="FARGATE",
            platform_version=PLATFORM,
            desired_count=args.copies,
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            health_check_grace_period_seconds=180,
            network_configuration={
                "subnets": args.subnets,
                "security_groups": [args.group],
                "assign_public_ip": False,
            },
            load_balancers=[
                {
                    "target_group_arn": args.target,
                    "container_name": server_of.DATABASE,
                    "container_port": server_of.PORT,
                }
            ],
            opts=self._child,
        )
        self.register_outputs({})

    def _cluster(self) -> pulumi.Output[str]:
        place = self._args.place
        return aws.ecs.Cluster(
            self._name,
            name=place.name(self._name),
            settings=[{"name": "containerInsights", "value": "enabled"}],
            configuration={
                "managed_storage_configuration": {
                    "fargate_ephemeral_storage_kms_key_id": place.keys["registry"]
                }
            },
            opts=self._child,
        ).arn

    def _task(self) -> pulumi.Output[str]:
        args, place = self._args, self._args.place
        log = log_group(self._name, place, parent=self)
        definitions = pulumi.Output.all(
            server=args.server,
            images=args.images,
            administrator=args.administrator_arn,
            session=args.session_arn,
            database=args.database_arn,
            log_group=log.name,
        ).apply(self._containers)
        return aws.ecs.TaskDefinition(
            self._name,
            family=place.name(self._name),
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=CPU,
            memory=MEMORY,
            runtime_platform={"operating_system_family": "LINUX", "cpu_architecture": "X86_64"},
            execution_role_arn=self._starter(log.arn),
            task_role_arn=self._own(),
            container_definitions=definitions,
            volumes=[{"name": each} for each in server_of.VOLUMES],
            opts=self._child,
        ).arn

    def _containers(self, found: dict[str, Any]) -> str:
        image = repository_name(self._args.place.environment, self._args.image)
        return server_of.containers(
            found["server"],
            image=f"{found['images']}/{image}",
            references=server_of.secrets(
                administrator=found["administrator"],
                session=found["session"],
                database=found["database"],
            ),
            log_group=found["log_group"],
            region=self._args.place.region,
        )

    def _own(self) -> pulumi.Output[str]:
        """The role of MLflow itself."""
        args = self._args
        policy = pulumi.Output.all(args.artifacts.arn, args.place.keys["artifacts"]).apply(
            lambda found: server_of.task_policy(bucket_arn=found[0], key_arn=found[1])
        )
        return self._role("task", policy)

    def _starter(self, log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
        """The role with which ECS starts the task."""
        args, place = self._args, self._args.place
        repository = repository_name(place.environment, args.image.partition("@")[0])
        policy = pulumi.Output.all(
            account=place.account,
            secrets=[args.administrator_arn, args.session_arn, args.database_arn],
            key=place.keys["registry"],
            log=log_group_arn,
        ).apply(
            lambda found: server_of.start_policy(
                repository_arn=(
                    f"arn:aws:ecr:{place.region}:{found['account']}:repository/{repository}"
                ),
                secret_arns=found["secrets"],
                key_arns=[found["key"]],
                log_group_arn=found["log"],
            )
        )
        return self._role("start", policy)

    def _role(self, part: str, policy: pulumi.Output[str]) -> pulumi.Output[str]:
        place = self._args.place
        return role(
            f"{self._name}-{part}",
            place,
            trust=place.account.apply(lambda own: assumed_by("ecs-tasks", account=own)),
            policy=policy,
            opts=self._child,
        ).arn
