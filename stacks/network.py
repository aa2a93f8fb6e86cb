"""A network that nothing public can reach and that reaches nothing public."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a network needs to know.

    Attributes:
        cidr: the VPC's range; each zone gets an equal part of its lower half.
        zones: availability zones, one private subnet in each.
        region: for the name of the S3 service.
    """

    cidr: IPv4Network
    zones: tuple[str, ...]
    region: str


class Network(pulumi.ComponentResource):
    """A VPC with private subnets only: no internet gateway, no NAT, no public address."""

    vpc: aws.ec2.Vpc
    subnets: list[aws.ec2.Subnet]
    route_table: aws.ec2.RouteTable

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Network", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.args = args
        self.vpc = aws.ec2.Vpc(
            name,
            cidr_block=str(args.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=child,
        )
        # AWS makes this group with every VPC; declared empty, it lets nobody talk.
        aws.ec2.DefaultSecurityGroup(name, vpc_id=self.vpc.id, ingress=[], egress=[], opts=child)
        self.route_table = aws.ec2.RouteTable(f"{name}-private", vpc_id=self.vpc.id, opts=child)
        self.subnets = [
            self._subnet(f"{name}-{zone[-1]}", zone, cidr, child)
            for zone, cidr in zip(args.zones, subnet_ranges(args.cidr), strict=False)
        ]
        self.register_outputs({"vpc_id": self.vpc.id})

    def _subnet(
        self, name: str, zone: str, cidr: IPv4Network, child: pulumi.ResourceOptions
    ) -> aws.ec2.Subnet:
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc.id,
            cidr_block=str(cidr),
            availability_zone=zone,
            map_public_ip_on_launch=False,
            opts=child,
        )
        aws.ec2.RouteTableAssociation(
            name, subnet_id=subnet.id, route_table_id=self.route_table.id, opts=child
        )
        return subnet


class S3Endpoint(pulumi.ComponentResource):
    """The way from a network to S3 that does not leave it, for the named buckets alone."""

    endpoint: aws.ec2.VpcEndpoint

    def __init__(
        self,
        name: str,
        network: Network,
        bucket_arns: list[pulumi.Output[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("landfall:index:S3Endpoint", name, {}, opts)
        self.endpoint = aws.ec2.VpcEndpoint(
            name,
            vpc_id=network.vpc.id,
            service_name=f"com.amazonaws.{network.args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[network.route_table.id],
            policy=pulumi.Output.all(*bucket_arns).apply(endpoint_policy),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"endpoint_id": self.endpoint.id})


def subnet_ranges(cidr: IPv4Network) -> list[IPv4Network]:
    """Four equal parts of a VPC's range: one for each of up to three zones, one kept free."""
    return list(cidr.subnets(prefixlen_diff=2))


def endpoint_policy(bucket_arns: list[str]) -> str:
    """Reading, writing and listing in the given buckets, and nothing else."""
    objects = [f"{arn}/*" for arn in bucket_arns]
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket"]
    statement = {
        "Sid": "OurBucketsOnly",
        "Effect": "Allow",
        "Principal": "*",
        "Action": actions,
        "Resource": [*bucket_arns, *objects],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
