"""Training over several machines: a private Kubernetes cluster with pools of GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from stacks.eks import identity
from stacks.eks.addons import BEFORE_NODES, ON_NODES, addons
from stacks.eks.cluster import Cluster, ClusterArgs
from stacks.eks.nodes import NodePool, NodesArgs, system_nodes
from stacks.eks.objects import Facts, everything
from stacks.eks.objects.facts import TRAINING
from stacks.eks.rendered import Rendered
from stacks.network import Reachable
from stacks.place import Place
from stacks.roles import role
from stacks.settings.training import Eks, Pool
from stacks.statements import assumed_by
from stacks.storage import Bucket
from stacks.training.ec2 import Shared, bucket_name, registry_image
from stacks.training.firewall import Ways
from stacks.training.health import Health, HealthArgs
from stacks.training.identity import CHECKPOINTS, Data, job_policy

ACCOUNTS = {"job": (TRAINING, TRAINING), "autoscaler": ("kube-system", "cluster-autoscaler")}
"""Namespace and service account of each role of pods."""


@dataclass(frozen=True, kw_only=True)
class EksTrainingArgs:
    """What training on EKS needs to know.

    Attributes:
        network: where nodes stand, in its private subnets.
        endpoints: the security group of the interface endpoints.
        s3_prefix_list: of S3's gateway endpoint.
        datasets: the bucket that jobs read.
        artifacts: the bucket in which jobs have their checkpoints.
        site_networks: from where administrators reach the API over the link.
        settings: version, pools, images.
        shared: the file system whose clients nodes are, where there is one.
        topic: where hardware that fails is told; None where training on EC2 tells it already.
    """

    place: Place
    network: Reachable
    endpoints: pulumi.Output[str]
    s3_prefix_list: pulumi.Output[str]
    datasets: Bucket
    artifacts: Bucket
    site_networks: tuple[str, ...]
    settings: Eks
    shared: Shared | None = None
    topic: pulumi.Output[str] | None = None


class EksTraining(pulumi.ComponentResource):
    """A cluster, its add-ons, its nodes, who its pods are, and the objects in it.

    Attributes:
        cluster: the name of the cluster.
        folder: where its objects are rendered, below the checkout.
        job_role: the name of the role of jobs.
        autoscaler_role: the name of the role that starts machines.
    """

    cluster: pulumi.Output[str]
    folder: str
    job_role: pulumi.Output[str]
    autoscaler_role: pulumi.Output[str]

    def __init__(
        self, name: str, args: EksTrainingArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:EksTraining", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._name, self._args = name, args
        place, settings = args.place, args.settings
        self.folder = settings.manifests or f".landfall/manifests/{place.environment}"
        ways = Ways(network=args.network, endpoints=args.endpoints, s3=args.s3_prefix_list)
        cluster = Cluster(
            name,
            ClusterArgs(
                place=place, ways=ways, settings=settings, site_networks=args.site_networks
            ),
            self._child,
        )
        self.cluster = cluster.name
        pools = self._nodes(cluster)
        self.job_role = self._pods("job", self._job_policy())
        self.autoscaler_role = self._pods(
            "autoscaler",
            pulumi.Output.all(place.account, cluster.name).apply(
                lambda found: identity.autoscaler_policy(
                    account=found[0], region=place.region, cluster=found[1]
                )
            ),
        )
        if args.topic:
            Health(name, HealthArgs(place=place, topic=args.topic, pools=()), self._child)
        Rendered(name, self.folder, everything(self._facts(pools)), self._child)
        self.register_outputs({"cluster": self.cluster, "folder": self.folder})

    def _nodes(self, cluster: Cluster) -> Mapping[str, Pool]:
        """Add-ons and nodes, each when it can be ready. Returns the pools that have nodes."""
        settings = self._args.settings
        first = addons(
            self._name,
            BEFORE_NODES,
            cluster=cluster.name,
            versions=settings.addon_versions,
            opts=self._child,
        )
        shared = self._args.shared
        args = NodesArgs(
            place=self._args.place,
            network=self._args.network,
            cluster=cluster.name,
            role=self._node_role(),
            groups=[cluster.nodes, *([shared.group] if shared else [])],
        )
        after = pulumi.ResourceOptions(parent=self, depends_on=first)
        system = system_nodes(f"{self._name}-system", settings.system_instance_type, args, after)
        addons(
            self._name,
            ON_NODES,
            cluster=cluster.name,
            versions=settings.addon_versions,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[system]),
        )
        return {
            name: pool
            for name, pool in settings.pools.items()
            if NodePool(name, pool, args, after).made
        }

    def _node_role(self) -> pulumi.Output[str]:
        place, name = self._args.place, f"{self._name}-node"
        made = role(
            name,
            place,
            trust=assumed_by("ec2"),
            policy=place.account.apply(
                lambda own: identity.node_policy(account=own, region=place.region)
            ),
            opts=self._child,
        )
        for each in identity.NODE:
            aws.iam.RolePolicyAttachment(
                f"{name}-{each}",
                role=made.name,
                policy_arn=f"{identity.AWS_POLICY}{each}",
                opts=self._child,
            )
        # EKS lets nodes in by an access entry that it makes itself for its node groups.
        return made.arn

    def _job_policy(self) -> pulumi.Output[str]:
        args, place = self._args, self._args.place
        known = pulumi.Output.all(
            datasets=args.datasets.arn,
            artifacts=args.artifacts.arn,
            datasets_key=place.keys["datasets"],
            artifacts_key=place.keys["artifacts"],
        )
        return known.apply(lambda data: job_policy(Data(**data), region=place.region))

    def _pods(self, what: str, policy: pulumi.Output[str]) -> pulumi.Output[str]:
        """A role that pods of one service account have. Returns its name."""
        place, (namespace, account) = self._args.place, ACCOUNTS[what]
        made = role(
            f"{self._name}-{what}",
            place,
            trust=place.account.apply(identity.pods_trust),
            policy=policy,
            opts=self._child,
        )
        aws.eks.PodIdentityAssociation(
            f"{self._name}-{what}",
            cluster_name=self.cluster,
            namespace=namespace,
            service_account=account,
            role_arn=made.arn,
            opts=self._child,
        )
        return made.name

    def _facts(self, pools: Mapping[str, Pool]) -> Facts:
        args, place, settings = self._args, self._args.place, self._args.settings

        def image(reference: str) -> pulumi.Output[str]:
            return place.account.apply(partial(_image, reference, place))

        return Facts(
            environment=place.environment,
            cluster=place.name(self._name),
            region=place.region,
            settings=settings,
            pools=pools,
            images={name: image(reference) for name, reference in settings.images.items()},
            job_image=image(settings.job_image),
            datasets=args.datasets.arn.apply(lambda arn: f"s3://{bucket_name(arn)}"),
            checkpoints={
                name: args.artifacts.arn.apply(partial(_checkpoints, name)) for name in pools
            },
            folder=self.folder,
        )


def _image(reference: str, place: Place, account: str) -> str:
    return registry_image(reference, account=account, place=place)


def _checkpoints(pool: str, artifacts: str) -> str:
    return f"s3://{bucket_name(artifacts)}/{CHECKPOINTS}/eks-{pool}"
