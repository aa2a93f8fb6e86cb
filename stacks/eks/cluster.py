"""A Kubernetes control plane whose API is reached from the network and the site alone."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.eks import identity
from stacks.firewall import HTTPS, https_from, let_through
from stacks.logs import log_group
from stacks.place import Place
from stacks.roles import role
from stacks.settings.training import Eks
from stacks.statements import assumed_by
from stacks.training.firewall import Ways, machine_group

LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""Every log of a control plane there is."""

CALLED = {"kubelet": (10250, 10250), "webhooks": (HTTPS, HTTPS), "webhooks-high": (8443, 9443)}
"""What the control plane calls on nodes: kubelets, and webhooks on the ports of our charts."""


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    """What a control plane needs to know.

    Attributes:
        ways: its network, and what nodes may reach besides it.
        settings: version and administrators.
        site_networks: from where administrators reach the API over the link.
    """

    place: Place
    ways: Ways
    settings: Eks
    site_networks: tuple[str, ...]


class Cluster(pulumi.ComponentResource):
    """A control plane, its log, who may use it, and the firewall between it and its nodes.

    Attributes:
        name: of the cluster.
        nodes: the security group of every node.
        resource: the cluster, for those that must wait for it.
    """

    name: pulumi.Output[str]
    nodes: pulumi.Output[str]
    resource: aws.eks.Cluster

    def __init__(
        self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Cluster", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        place = args.place
        # EKS writes to a log group of this name, and makes it, unencrypted, if it is not there.
        logs = log_group(name, place, parent=self, called=f"/aws/eks/{place.name(name)}/cluster")
        self.nodes = machine_group(f"{name}-nodes", place, args.ways, among=True, opts=self._child)
        control = self._firewall(name)
        self.resource = self._cluster(name, logs, control)
        self.name = self.resource.name
        self._administrators(name)
        self.register_outputs({"name": self.name})

    def _cluster(
        self, name: str, logs: aws.cloudwatch.LogGroup, group: pulumi.Output[str]
    ) -> aws.eks.Cluster:
        args, place = self._args, self._args.place
        control = role(name, place, trust=assumed_by("eks"), policy=None, opts=self._child)
        attached = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{each}",
                role=control.name,
                policy_arn=f"{identity.AWS_POLICY}{each}",
                opts=self._child,
            )
            for each in identity.CONTROL_PLANE
        ]
        return aws.eks.Cluster(
            name,
            name=place.name(name),
            version=args.settings.version,
            role_arn=control.arn,
            vpc_config={
                "subnet_ids": args.ways.network.private,
                "security_group_ids": [group],
                "endpoint_private_access": True,
                "endpoint_public_access": False,
            },
            access_config={
                "authentication_mode": "API",
                # Whoever runs `up` would be an administrator for ever; the settings name them.
                "bootstrap_cluster_creator_admin_permissions": False,
            },
            encryption_config={
                "provider": {"key_arn": place.keys["secrets"]},
                "resources": ["secrets"],
            },
            enabled_cluster_log_types=list(LOGS),
            bootstrap_self_managed_addons=False,
            upgrade_policy={"support_type": "STANDARD"},
            deletion_protection=place.protect,
            opts=pulumi.ResourceOptions.merge(
                place.stateful(self), pulumi.ResourceOptions(depends_on=[logs, *attached])
            ),
        )

    def _firewall(self, name: str) -> pulumi.Output[str]:
        """The API for nodes and administrators; kubelets and webhooks for the control plane.

        EKS gives the control plane a group of its own besides, which lets nothing in but itself.
        """
        place = self._args.place
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=self._args.ways.network.vpc_id,
            description="Landfall: control plane, from nodes and the site",
            tags={"Name": place.name(name)},
            opts=self._child,
        )
        https_from(name, group.id, self._args.site_networks, self._child)
        let_through(f"{name}-api", self.nodes, group.id, (HTTPS, HTTPS), self._child)
        for what, ports in CALLED.items():
            let_through(f"{name}-{what}", group.id, self.nodes, ports, self._child)
        return group.id

    def _administrators(self, name: str) -> None:
        for index, principal in enumerate(self._args.settings.administrators):
            entry = aws.eks.AccessEntry(
                f"{name}-{index}",
                cluster_name=self.name,
                principal_arn=principal,
                type="STANDARD",
                opts=self._child,
            )
            aws.eks.AccessPolicyAssociation(
                f"{name}-{index}",
                cluster_name=self.name,
                principal_arn=entry.principal_arn,
                policy_arn=identity.ADMINISTRATOR,
                access_scope={"type": "cluster"},
                opts=self._child,
            )
