"""One pool of GPUs behind a queue of AWS Batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model import efa
from stacks.place import Place
from stacks.settings.training import Block, Pool, Spot
from stacks.training import jobs
from stacks.training.block import BlockEnd, BlockEndArgs
from stacks.training.capacity import Claim, claim, in_zone
from stacks.training.firewall import Ways, machine_group
from stacks.training.jobs import Job
from stacks.training.template import TemplateArgs, launch_template, machine_tags

LONGEST_UPDATE_MINUTES = 7200
"""How long AWS Batch waits for jobs before it replaces their machine (API, UpdatePolicy)."""

STUCK_S = 600
"""After this long a job that no machine can ever run is taken off the queue: the shortest time."""

STUCK: Mapping[str, str] = {
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": "asks for more than the pool's edge",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": "asks for what no machine of the pool has",
}
"""Reasons by which a job would wait for ever (AWS Batch user guide, "Job state time limits")."""


@dataclass(frozen=True, kw_only=True)
class BatchPoolArgs:
    """What a pool needs to know.

    Attributes:
        pool: its settings.
        ways: what its machines may reach.
        groups: security groups that its machines are in besides their own.
        image: the machine image.
        root_device: what the image calls its root volume.
        user_data: what a machine does when it starts.
        profile: ARN of the machines' instance profile.
        job: what runs on them.
    """

    place: Place
    pool: Pool
    ways: Ways
    groups: list[pulumi.Output[str]]
    image: pulumi.Input[str]
    root_device: str
    user_data: pulumi.Input[str]
    profile: pulumi.Output[str]
    job: pulumi.Output[Job]


class BatchPool(pulumi.ComponentResource):
    """A compute environment that never has more machines than its edge, a queue and a job.

    Attributes:
        queue: the name of the queue; None while its capacity block is not bought.
        template: the id of the launch template; None as well.
    """

    queue: pulumi.Output[str] | None
    template: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: BatchPoolArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:BatchPool", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        self.queue = self.template = None
        group = (
            aws.ec2.PlacementGroup(
                name, name=args.place.name(name), strategy="cluster", opts=self._child
            )
            if args.pool.placement_group
            else None
        )
        found = claim(name, args.pool, args.place, group=group, parent=self)
        if found:
            template = self._template(found)
            environment = self._environment(template, group)
            self.template = template.id
            self.queue = self._queue(environment)
            self._job()
        if found and isinstance(args.pool.capacity, Block):
            BlockEnd(
                name,
                BlockEndArgs(place=args.place, pool=name, end=args.pool.capacity.end),
                self._child,
            )
        self.register_outputs({"queue": self.queue})

    def _template(self, found: Claim) -> aws.ec2.LaunchTemplate:
        args = self._args
        own = machine_group(
            self._name, args.place, args.ways, among=args.pool.efa, opts=self._child
        )
        return launch_template(
            self._name,
            TemplateArgs(
                place=args.place,
                name=self._name,
                interfaces=efa.interfaces(args.pool.instance_types[0], efa=args.pool.efa),
                groups=[own, *args.groups],
                volume_gib=args.pool.volume_gib,
                user_data=args.user_data,
                claim=found,
                root_device=args.root_device,
                image=args.image,
                profile=args.profile,
            ),
            self._child,
        )

    def _environment(
        self, template: aws.ec2.LaunchTemplate, group: aws.ec2.PlacementGroup | None
    ) -> aws.batch.ComputeEnvironment:
        place, pool = self._args.place, self._args.pool
        resources = aws.batch.ComputeEnvironmentComputeResourcesArgs(
            **launching(pool),
            instance_types=list(pool.instance_types),
            instance_role=self._args.profile,
            launch_template=aws.batch.ComputeEnvironmentComputeResourcesLaunchTemplateArgs(
                launch_template_id=template.id,
                version=template.latest_version.apply(str),
            ),
            min_vcpus=0,
            max_vcpus=pool.vcpus,
            placement_group=group.name if group else None,
            subnets=in_zone(pool, place, self._args.ways.network.private),
            tags=machine_tags(place, self._name),
        )
        # An environment that must be replaced is: another is made first, under another name.
        return aws.batch.ComputeEnvironment(
            self._name,
            name_prefix=f"{place.name(self._name)}-",
            type="MANAGED",
            compute_resources=resources,
            update_policy=None if isinstance(pool.capacity, Block) else _patience(pool),
            opts=self._child,
        )

    def _queue(self, environment: aws.batch.ComputeEnvironment) -> pulumi.Output[str]:
        return aws.batch.JobQueue(
            self._name,
            name=self._args.place.name(self._name),
            priority=1,
            state="ENABLED",
            compute_environment_orders=[{"order": 1, "compute_environment": environment.arn}],
            job_state_time_limit_actions=[
                {
                    "action": "CANCEL",
                    "state": "RUNNABLE",
                    "max_time_seconds": STUCK_S,
                    "reason": reason,
                }
                for reason in STUCK
            ],
            opts=self._child,
        ).name

    def _job(self) -> None:
        """A definition never changes: a change is another revision, and the old one stays."""
        pool, job = self._args.pool, self._args.job
        lay_out = jobs.node_properties if jobs.several(pool) else jobs.container_properties
        written = job.apply(lambda found: lay_out(found, pool))
        several = jobs.several(pool)
        aws.batch.JobDefinition(
            self._name,
            name=self._args.place.name(self._name),
            type="multinode" if several else "container",
            platform_capabilities=None if several else ["EC2"],
            container_properties=None if several else written,
            node_properties=written if several else None,
            retry_strategy=aws.batch.JobDefinitionRetryStrategyArgs(
                attempts=jobs.attempts(pool),
                evaluate_on_exits=[
                    aws.batch.JobDefinitionRetryStrategyEvaluateOnExitArgs(**each)
                    for each in jobs.RETRY
                ],
            ),
            timeout={"attempt_duration_seconds": pool.max_hours * 3600},
            propagate_tags=True,
            deregister_on_new_revision=False,
            opts=self._child,
        )


def _patience(pool: Pool) -> aws.batch.ComputeEnvironmentUpdatePolicyArgs:
    """An update waits for running jobs as long as they may run."""
    return aws.batch.ComputeEnvironmentUpdatePolicyArgs(
        job_execution_timeout_minutes=min(pool.max_hours * 60, LONGEST_UPDATE_MINUTES),
        terminate_jobs_on_update=False,
    )


def launching(pool: Pool) -> Mapping[str, Any]:
    """How AWS Batch gets machines of a pool.

    A capacity block wants BEST_FIT, whose environments serve one block and are replaced for the
    next (docs/decisions/0011). All others can be updated while jobs run.
    """
    if isinstance(pool.capacity, Spot):
        return {"type": "SPOT", "allocation_strategy": "SPOT_PRICE_CAPACITY_OPTIMIZED"}
    if isinstance(pool.capacity, Block):
        return {"type": "EC2", "allocation_strategy": "BEST_FIT"}
    return {"type": "EC2", "allocation_strategy": "BEST_FIT_PROGRESSIVE"}
