"""The ways from a network to AWS's services that do not leave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from stacks.firewall import https_from
from stacks.network import Reachable
from stacks.place import Place
from stacks.statements import allow, document

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "autoscaling": ("autoscaling:Describe*", "autoscaling:SetDesiredCapacity",
                    "autoscaling:TerminateInstanceInAutoScalingGroup"),
    "ec2": ("ec2:Describe*", "ec2:CreateTags", "ec2:AttachNetworkInterface",
            "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
            "ec2:ModifyNetworkInterfaceAttribute", "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses", "ec2:DetachNetworkInterface"),
    "ec2messages": ("ec2messages:*",),
    "ecr.api": ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
                "ecr:BatchCheckLayerAvailability", "ecr:DescribeImages"),
    "ecr.dkr": ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer",
                "ecr:BatchCheckLayerAvailability"),
    "ecs": ("ecs:RegisterContainerInstance", "ecs:DeregisterContainerInstance",
            "ecs:DiscoverPollEndpoint", "ecs:Submit*", "ecs:UpdateContainerInstancesState"),
    "ecs-agent": ("ecs:Poll", "ecs:DiscoverPollEndpoint"),
    "ecs-telemetry": ("ecs:StartTelemetrySession",),
    "eks": ("eks:DescribeCluster", "eks:DescribeNodegroup", "eks:ListUpdates",
            "eks:DescribeUpdate"),
    "eks-auth": ("eks-auth:AssumeRoleForPodIdentity",),
    "elasticloadbalancing": ("elasticloadbalancing:Describe*",),
    "fsx": ("fsx:DescribeFileSystems", "fsx:DescribeDataRepositoryTasks",
            "fsx:CreateDataRepositoryTask"),
    "kinesis-streams": ("kinesis:PutRecord", "kinesis:PutRecords", "kinesis:GetRecords",
                        "kinesis:GetShardIterator", "kinesis:DescribeStreamSummary",
                        "kinesis:ListShards"),
    "kms": ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"),
    "logs": ("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"),
    "monitoring": ("cloudwatch:PutMetricData",),
    "rolesanywhere": ("rolesanywhere:CreateSession",),
    "secretsmanager": ("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"),
    "ssm": ("ssm:GetParameter", "ssm:GetParameters", "ssm:UpdateInstanceInformation",
            "ssm:ListAssociations", "ssm:ListInstanceAssociations", "ssm:DescribeAssociation",
            "ssm:GetDocument", "ssm:DescribeDocument", "ssm:PutInventory",
            "ssm:PutComplianceItems", "ssm:UpdateAssociationStatus",
            "ssm:UpdateInstanceAssociationStatus", "ssm:GetManifest",
            "ssm:GetDeployablePatchSnapshotForInstance"),
    "ssmmessages": ("ssmmessages:*",),
    "sts": ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:GetCallerIdentity"),
}  # fmt: skip
"""What machines and pods in the network do with each service, and no more."""

WITHOUT_PRINCIPAL = frozenset({"rolesanywhere"})
"""Services that are called with a certificate, before there is a principal of the account."""

IMAGE_LAYERS = "arn:aws:s3:::prod-{region}-starport-layer-bucket/*"
"""Where ECR keeps the layers of images (ECR user guide, S3 gateway endpoint)."""


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    """What endpoints need to know.

    Attributes:
        network: in which they stand.
        services: short names of interface endpoints, as `stacks.features.services` gives them.
        buckets: ARNs of the buckets that may be reached; no other is.
        site_networks: ranges of the site, which reaches S3 and the registry's services as well.
    """

    place: Place
    network: Reachable
    services: tuple[str, ...]
    buckets: list[pulumi.Output[str]]
    site_networks: tuple[str, ...]


class Endpoints(pulumi.ComponentResource):
    """Interface endpoints in the private subnets, and both ways to S3.

    Machines use the gateway endpoint of S3, which costs nothing. The site cannot: a gateway
    endpoint is not reachable over a link. It uses the interface endpoint, whose private names the
    inbound resolver alone gives out.
    """

    group: pulumi.Output[str]
    s3_prefix_list: pulumi.Output[str]

    def __init__(
        self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Endpoints", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        self.group = self._firewall(name)
        objects = pulumi.Output.all(*args.buckets).apply(
            lambda arns: bucket_policy(arns, region=args.place.region)
        )
        gateway = aws.ec2.VpcEndpoint(
            f"{name}-s3-gateway",
            vpc_id=args.network.vpc_id,
            service_name=f"com.amazonaws.{args.place.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[*args.network.private_tables, *args.network.isolated_tables],
            policy=objects,
            opts=self._child,
        )
        self.s3_prefix_list = gateway.prefix_list_id
        self._interface(name, "s3", objects, after=gateway)
        for service in args.services:
            policy = args.place.account.apply(partial(service_policy, service))
            self._interface(name, service, policy)
        self.register_outputs({"group": self.group})

    def _firewall(self, name: str) -> pulumi.Output[str]:
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=self._args.network.vpc_id,
            description="Landfall: endpoints, HTTPS from the VPC and the site",
            tags={"Name": self._args.place.name(name)},
            opts=self._child,
        )
        args = self._args
        https_from(name, group.id, args.site_networks, self._child, vpc=args.network.cidr)
        return group.id

    def _interface(
        self,
        name: str,
        service: str,
        policy: pulumi.Output[str],
        after: pulumi.Resource | None = None,
    ) -> None:
        args = self._args
        # AWS wants the gateway endpoint first where S3's private names are the resolver's alone.
        dns = aws.ec2.VpcEndpointDnsOptionsArgs(private_dns_only_for_inbound_resolver_endpoint=True)
        aws.ec2.VpcEndpoint(
            f"{name}-{service.replace('.', '-')}",
            vpc_id=args.network.vpc_id,
            service_name=f"com.amazonaws.{args.place.region}.{service}",
            vpc_endpoint_type="Interface",
            subnet_ids=args.network.private,
            security_group_ids=[self.group],
            private_dns_enabled=True,
            dns_options=dns if service == "s3" else None,
            policy=policy,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after] if after else None),
        )


def bucket_policy(bucket_arns: list[str], *, region: str) -> str:
    """Reading, writing and listing in the given buckets, and pulling images' layers."""
    objects = [f"{arn}/*" for arn in bucket_arns]
    work = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket",
            "s3:GetObjectTagging", "s3:PutObjectTagging", "s3:ListMultipartUploadParts",
            "s3:DeleteObject"]  # fmt: skip
    layers = [IMAGE_LAYERS.format(region=region)]
    return document(
        allow("OurBuckets", work, [*bucket_arns, *objects], principal="*"),
        allow("ImageLayers", ["s3:GetObject"], layers, principal="*"),
    )


def service_policy(service: str, account: str) -> str:
    """What callers of this account do with a service; nobody else gets through the endpoint."""
    own = {"StringEquals": {"aws:PrincipalAccount": account}}
    when = None if service in WITHOUT_PRINCIPAL else own
    return document(allow("OurAccount", ACTIONS[service], ["*"], principal="*", when=when))
