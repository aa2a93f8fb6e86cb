"""Training on single machines, or few: pools of GPUs behind queues of AWS Batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.logs import log_group
from stacks.network import Reachable
from stacks.place import Place
from stacks.roles import role
from stacks.settings.training import Ec2, Pool
from stacks.statements import assumed_by
from stacks.storage import Bucket
from stacks.training.batch import BatchPool, BatchPoolArgs
from stacks.training.firewall import Ways
from stacks.training.health import Health, HealthArgs
from stacks.training.identity import Data, job_policy, machine_policy
from stacks.training.jobs import Job
from stacks.training.userdata import batch_user_data, machine

FROM_PARAMETER = "resolve:ssm:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A Lustre file system that machines mount.

    Attributes:
        group: the security group of its clients.
        dns_name: its server.
        mount_name: what is mounted from it.
    """

    group: pulumi.Output[str]
    dns_name: pulumi.Output[str]
    mount_name: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class Ec2TrainingArgs:
    """What training on EC2 needs to know.

    Attributes:
        network: where machines stand, in its private subnets.
        endpoints: the security group of the interface endpoints.
        s3_prefix_list: of S3's gateway endpoint.
        datasets: the bucket that jobs read.
        artifacts: the bucket in which jobs have their checkpoints.
        topic: where ill machines and failed jobs are told.
        settings: image, command, pools.
        shared: the file system, where there is one.
    """

    place: Place
    network: Reachable
    endpoints: pulumi.Output[str]
    s3_prefix_list: pulumi.Output[str]
    datasets: Bucket
    artifacts: Bucket
    topic: pulumi.Output[str]
    settings: Ec2
    shared: Shared | None = None


class Ec2Training(pulumi.ComponentResource):
    """Queues, each with its pool of machines, under one identity of jobs and one of machines.

    Attributes:
        queues: names of the queues, by pool; a pool whose capacity block is not bought has none.
        templates: ids of the launch templates, by pool.
        job_role: the name of the role of jobs.
    """

    queues: dict[str, pulumi.Output[str]]
    templates: dict[str, pulumi.Output[str]]
    job_role: pulumi.Output[str]

    def __init__(
        self, name: str, args: Ec2TrainingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Ec2Training", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        place = args.place
        logs = log_group(name, place, parent=self)
        profile = self._machines(logs)
        worker = self._jobs()
        self.job_role = worker.name
        image = machine_image(args.settings.image, self)
        made = {
            pool: self._pool(pool, found, profile=profile, worker=worker, logs=logs, image=image)
            for pool, found in args.settings.pools.items()
        }
        self.queues = {pool: each.queue for pool, each in made.items() if each.queue}
        self.templates = {pool: each.template for pool, each in made.items() if each.template}
        Health(
            name,
            HealthArgs(
                place=place,
                topic=args.topic,
                pools=tuple(self.templates),
                queues=place.account.apply(
                    lambda own: f"arn:aws:batch:{place.region}:{own}:job-queue/{place.name('')}"
                ),
            ),
            self._child,
        )
        self.register_outputs({"queues": self.queues, "templates": self.templates})

    def _machines(self, logs: aws.cloudwatch.LogGroup) -> aws.iam.InstanceProfile:
        place = self._args.place
        found = role(
            f"{self._name}-machine",
            place,
            trust=assumed_by("ec2"),
            policy=pulumi.Output.all(place.account, logs.name).apply(
                lambda known: machine_policy(
                    account=known[0],
                    region=place.region,
                    log_group=f"arn:aws:logs:{place.region}:{known[0]}:log-group:{known[1]}",
                    repositories=f"arn:aws:ecr:{place.region}:{known[0]}:repository/"
                    f"landfall-{place.environment}/*",
                )
            ),
            opts=self._child,
        )
        return aws.iam.InstanceProfile(
            f"{self._name}-machine", path=place.role_path, role=found.name, opts=self._child
        )

    def _jobs(self) -> aws.iam.Role:
        args, place = self._args, self._args.place
        known = pulumi.Output.all(
            datasets=args.datasets.arn,
            artifacts=args.artifacts.arn,
            datasets_key=place.keys["datasets"],
            artifacts_key=place.keys["artifacts"],
        )
        return role(
            f"{self._name}-job",
            place,
            trust=place.account.apply(lambda own: assumed_by("ecs-tasks", account=own)),
            policy=known.apply(lambda data: job_policy(Data(**data), region=place.region)),
            opts=self._child,
        )

    def _pool(
        self,
        name: str,
        pool: Pool,
        *,
        profile: aws.iam.InstanceProfile,
        worker: aws.iam.Role,
        logs: aws.cloudwatch.LogGroup,
        image: pulumi.Input[str],
    ) -> BatchPool:
        args = self._args
        return BatchPool(
            name,
            BatchPoolArgs(
                place=args.place,
                pool=pool,
                ways=Ways(network=args.network, endpoints=args.endpoints, s3=args.s3_prefix_list),
                groups=[args.shared.group] if args.shared else [],
                image=image,
                root_device=args.settings.root_device,
                user_data=self._user_data(name, pool),
                profile=profile.arn,
                job=self._job(name, worker=worker, logs=logs),
            ),
            self._child,
        )

    def _user_data(self, name: str, pool: Pool) -> pulumi.Input[str]:
        place, shared = self._args.place, self._args.shared
        about = machine(pool, name=name, environment=place.environment, region=place.region)
        if shared is None:
            return batch_user_data(about)
        return pulumi.Output.all(shared.dns_name, shared.mount_name).apply(
            lambda found: batch_user_data(replace(about, lustre=f"{found[0]}@tcp:/{found[1]}"))
        )

    def _job(
        self, pool: str, *, worker: aws.iam.Role, logs: aws.cloudwatch.LogGroup
    ) -> pulumi.Output[Job]:
        args, place = self._args, self._args.place
        known = pulumi.Output.all(
            account=place.account,
            role=worker.name,
            datasets=args.datasets.arn,
            artifacts=args.artifacts.arn,
            log_group=logs.name,
        )
        return known.apply(
            partial(_job, place=place, pool=pool, settings=args.settings, lustre=bool(args.shared))
        )


def _job(known: dict[str, Any], *, place: Place, pool: str, settings: Ec2, lustre: bool) -> Job:
    return Job(
        image=registry_image(settings.job_image, account=known["account"], place=place),
        command=settings.command,
        # From its name, which a preview knows: so it knows all of a job, and policies can judge it.
        role=f"arn:aws:iam::{known['account']}:role{place.role_path}{known['role']}",
        pool=pool,
        datasets=bucket_name(known["datasets"]),
        artifacts=bucket_name(known["artifacts"]),
        log_group=known["log_group"],
        region=place.region,
        lustre=lustre,
    )


def registry_image(reference: str, *, account: str, place: Place) -> str:
    """An image of the environment's own repositories, with its registry: `training@sha256:...`."""
    registry = f"{account}.dkr.ecr.{place.region}.amazonaws.com"
    return f"{registry}/landfall-{place.environment}/{reference}"


def bucket_name(arn: str) -> str:
    """The name in a bucket's ARN."""
    return arn.rpartition(":")[2]


def machine_image(image: str, parent: pulumi.Resource) -> pulumi.Input[str]:
    """A machine image by its id, also where a parameter names it.

    The parameter is read when the plan is made: an image that changed shows in the preview, and
    AWS Batch, which copies launch templates into its own, gets an id.
    """
    if not image.startswith(FROM_PARAMETER):
        return image
    found = aws.ssm.get_parameter_output(
        name=image.removeprefix(FROM_PARAMETER), opts=pulumi.InvokeOutputOptions(parent=parent)
    )
    # The parameter could be a secret; the id of an image is none.
    return pulumi.Output.unsecret(found.insecure_value)
