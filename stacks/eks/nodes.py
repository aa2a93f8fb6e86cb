"""Node groups: a small one for what is not training, and one for each pool of GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from landfall.model import efa
from landfall.model.ami import eks_ami_type
from stacks.network import Reachable
from stacks.place import Place
from stacks.settings.training import Pool, Spot
from stacks.training.capacity import Claim, claim, in_zone
from stacks.training.template import TemplateArgs, launch_template
from stacks.training.userdata import node_user_data

POOL = "landfall.io/pool"
"""The label by which pods find the nodes of their pool."""

GPU_PRESENT = "nvidia.com/gpu.present"
EFA_PRESENT = "vpc.amazonaws.com/efa.present"

TAINT = {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
"""Only what tolerates it runs where GPUs are."""

SYSTEM_NODES = (2, 4)
"""At least and at most: two, so that one may be replaced."""

SYSTEM_VOLUME_GIB = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesArgs:
    """What node groups have in common.

    Attributes:
        network: in whose private subnets they stand.
        cluster: its name.
        role: ARN of the nodes' role.
        groups: security groups of nodes.
    """

    place: Place
    network: Reachable
    cluster: pulumi.Output[str]
    role: pulumi.Output[str]
    groups: list[pulumi.Input[str]]


def system_nodes(
    name: str, kind: str, args: NodesArgs, opts: pulumi.ResourceOptions
) -> aws.eks.NodeGroup:
    """Nodes of the type `kind` for add-ons and controllers, in every zone."""
    template = launch_template(
        name,
        TemplateArgs(
            place=args.place,
            name=name,
            interfaces=(efa.PRIMARY,),
            groups=args.groups,
            volume_gib=SYSTEM_VOLUME_GIB,
            claim=Claim(),
        ),
        opts,
    )
    least, most = SYSTEM_NODES
    return aws.eks.NodeGroup(
        name,
        cluster_name=args.cluster,
        node_group_name_prefix=f"{name}-",
        node_role_arn=args.role,
        subnet_ids=args.network.private,
        ami_type=f"AL2023_{'ARM_64' if is_arm(kind) else 'x86_64'}_STANDARD",
        instance_types=[kind],
        launch_template=_used(template),
        scaling_config={"min_size": least, "max_size": most, "desired_size": least},
        update_config={"max_unavailable": 1},
        node_repair_config={"enabled": True},
        opts=_size_is_the_clusters(opts),
    )


class NodePool(pulumi.ComponentResource):
    """The nodes of one pool: none while nothing waits for them, never more than its edge.

    `made` is false for a pool whose capacity block is not bought.
    """

    made: bool

    def __init__(
        self,
        name: str,
        pool: Pool,
        args: NodesArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("landfall:index:NodePool", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = (
            aws.ec2.PlacementGroup(
                name, name=args.place.name(f"eks-{name}"), strategy="cluster", opts=child
            )
            if pool.placement_group
            else None
        )
        found = claim(name, pool, args.place, group=group, parent=self)
        self.made = found is not None
        if found:
            template = launch_template(
                name,
                TemplateArgs(
                    place=args.place,
                    name=f"eks-{name}",
                    interfaces=efa.interfaces(pool.instance_types[0], efa=pool.efa),
                    groups=args.groups,
                    volume_gib=pool.volume_gib,
                    user_data=node_user_data(),
                    claim=found,
                    instance_type=pool.instance_types[0] if found.block else None,
                    placement=group.name if group else None,
                ),
                child,
            )
            self._nodes(name, pool, args, template)
        self.register_outputs({})

    def _nodes(
        self, name: str, pool: Pool, args: NodesArgs, template: aws.ec2.LaunchTemplate
    ) -> None:
        kind = capacity_type(pool)
        aws.eks.NodeGroup(
            name,
            cluster_name=args.cluster,
            node_group_name_prefix=f"{name}-",
            node_role_arn=args.role,
            subnet_ids=in_zone(pool, args.place, args.network.private),
            ami_type=eks_ami_type(pool.instance_types[0]),
            capacity_type=kind,
            # The machines of a block are of the type that the template names.
            instance_types=None if kind == "CAPACITY_BLOCK" else list(pool.instance_types),
            launch_template=_used(template),
            scaling_config={"min_size": 0, "max_size": pool.max_instances, "desired_size": 0},
            update_config={"max_unavailable": 1},
            node_repair_config={"enabled": True},
            labels=labels(name, pool),
            taints=[aws.eks.NodeGroupTaintArgs(**TAINT)],
            opts=_size_is_the_clusters(pulumi.ResourceOptions(parent=self)),
        )


def _used(template: aws.ec2.LaunchTemplate) -> Any:
    return {"id": template.id, "version": template.latest_version.apply(str)}


def _size_is_the_clusters(opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    """The program owns the edges of a group; how many there are now is the autoscaler's."""
    ignored = pulumi.ResourceOptions(ignore_changes=["scalingConfig.desiredSize"])
    return pulumi.ResourceOptions.merge(opts, ignored)


def labels(name: str, pool: Pool) -> Mapping[str, str]:
    """Labels of a pool's nodes."""
    found = {POOL: name, GPU_PRESENT: "true"}
    return found | {EFA_PRESENT: "true"} if pool.efa else found


def capacity_type(pool: Pool) -> str:
    """How EKS gets the nodes of a pool; those of a reservation are on demand."""
    kind = pool.capacity.kind
    if isinstance(pool.capacity, Spot):
        return "SPOT"
    return "CAPACITY_BLOCK" if kind == "block" else "ON_DEMAND"


def is_arm(kind: str) -> bool:
    """Whether an instance type has Graviton processors: a `g` after the generation, as in m7g."""
    return re.match(r"[a-z]+\d+g", kind) is not None
