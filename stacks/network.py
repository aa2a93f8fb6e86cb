"""A network that nothing public can reach and that reaches nothing public."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Protocol

import pulumi
import pulumi_aws as aws

from stacks.logs import log_group
from stacks.place import Place
from stacks.ranges import divide
from stacks.roles import role
from stacks.settings.adoption import AdoptedVpc
from stacks.statements import allow, assumed_by, document

Ids = list[pulumi.Output[str]]


class Reachable(Protocol):
    """What components need of a network, made here or adopted. Lists are in the zones' order.

    Attributes:
        vpc_id: the VPC.
        cidr: its range.
        private: subnets of machines, endpoints and load balancers; the site and they reach each
            other.
        isolated: subnets of databases and file systems; no route leads to or from the site.
        attachments: subnets in which the transit gateway stands.
        private_tables: route tables of the private subnets.
        isolated_tables: those of the isolated subnets.
    """

    vpc_id: pulumi.Output[str]
    cidr: IPv4Network
    private: Ids
    isolated: Ids
    attachments: Ids
    private_tables: Ids
    isolated_tables: Ids


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a network needs to know. `flow_logs_days`: how long its flow logs are kept."""

    place: Place
    cidr: IPv4Network
    flow_logs_days: int


class Network(pulumi.ComponentResource):
    """A VPC with private and isolated subnets: no internet gateway, no NAT, no public address."""

    vpc_id: pulumi.Output[str]
    cidr: IPv4Network
    private: Ids
    isolated: Ids
    attachments: Ids
    private_tables: Ids
    isolated_tables: Ids

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Network", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=str(args.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=self._child,
        )
        self.vpc_id, self.cidr = vpc.id, args.cidr
        # AWS makes this group with every VPC; declared empty, it lets nobody talk.
        aws.ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        private = self._table(f"{name}-private")
        isolated = self._table(f"{name}-isolated")
        self.private_tables, self.isolated_tables = [private], [isolated]
        self.private, self.isolated, self.attachments = [], [], []
        parts = divide(args.cidr, len(args.place.zones))
        for zone, part in zip(args.place.zones, parts, strict=True):
            letter = zone[-1]
            self.private.append(self._subnet(f"{name}-{letter}", zone, part.private, private))
            self.isolated.append(
                self._subnet(f"{name}-isolated-{letter}", zone, part.isolated, isolated)
            )
            self.attachments.append(
                self._subnet(f"{name}-attachment-{letter}", zone, part.attachment, isolated)
            )
        self._flow_logs(name, args)
        self.register_outputs({"vpc_id": self.vpc_id})

    def _table(self, name: str) -> pulumi.Output[str]:
        return aws.ec2.RouteTable(name, vpc_id=self.vpc_id, opts=self._child).id

    def _subnet(
        self, name: str, zone: str, cidr: IPv4Network, table: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            cidr_block=str(cidr),
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags={"Name": name},
            opts=self._child,
        )
        aws.ec2.RouteTableAssociation(
            name, subnet_id=subnet.id, route_table_id=table, opts=self._child
        )
        return subnet.id

    def _flow_logs(self, name: str, args: NetworkArgs) -> None:
        place = args.place
        group = log_group(
            f"{name}-flow",
            place,
            parent=self,
            called=f"/landfall/{place.environment}/flow",
            days=args.flow_logs_days,
        )
        writer = role(
            f"{name}-flow",
            place,
            trust=place.account.apply(lambda own: assumed_by("vpc-flow-logs", account=own)),
            policy=group.arn.apply(flow_policy),
            opts=self._child,
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            iam_role_arn=writer.arn,
            log_destination=group.arn,
            opts=self._child,
        )


class AdoptedNetwork:
    """A VPC that a landing zone owns. Landfall makes nothing in it but endpoints and routes."""

    def __init__(self, found: AdoptedVpc, cidr: IPv4Network) -> None:
        self.vpc_id = pulumi.Output.from_input(found.id)
        self.cidr = cidr
        self.private = _outputs(found.private)
        self.isolated = _outputs(found.isolated)
        self.attachments = self.isolated
        self.private_tables = _outputs(found.route_tables)
        self.isolated_tables = _outputs(found.isolated_route_tables)


def flow_policy(group_arn: str) -> str:
    """Writing to one log group."""
    actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
    return document(allow("Write", actions, [group_arn, f"{group_arn}:*"]))


def _outputs(ids: tuple[str, ...]) -> Ids:
    return [pulumi.Output.from_input(each) for each in ids]
