"""Names over the link: the site resolves the cloud's, and the cloud the site's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import zip_longest

import pulumi
import pulumi_aws as aws

from stacks.network import Reachable
from stacks.place import Place

DNS = 53
TWO = 2
"""A resolver endpoint wants addresses in two zones at least."""


@dataclass(frozen=True, kw_only=True)
class ResolverArgs:
    """What resolving needs to know.

    Attributes:
        site_networks: who may ask.
        forward: the site's domains, each with its name servers.
        adopted_rules: rules that are shared with this account; their owner forwards.
        addresses: of the inbound endpoint, one for each of the first two private subnets, so that
            the site's name servers can be told before there is one; empty lets AWS choose.
    """

    place: Place
    network: Reachable
    site_networks: tuple[str, ...]
    forward: Mapping[str, tuple[IPv4Address, ...]]
    adopted_rules: tuple[str, ...]
    addresses: tuple[IPv4Address, ...] = ()


class Resolver(pulumi.ComponentResource):
    """Resolver endpoints and rules. `addresses` is where the site's name servers forward to."""

    addresses: pulumi.Output[list[str]]

    def __init__(
        self, name: str, args: ResolverArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Resolver", name, {}, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        self._args = args
        inbound = self._endpoint(f"{name}-inbound", "INBOUND", self._inbound(name), args.addresses)
        self.addresses = inbound.ip_addresses.apply(
            lambda found: [each.ip for each in found if each.ip]
        )
        if args.forward:
            outbound = self._endpoint(f"{name}-outbound", "OUTBOUND", self._outbound(name))
            for domain, servers in args.forward.items():
                self._rule(f"{name}-{domain.replace('.', '-')}", domain, servers, outbound.id)
        for index, rule in enumerate(args.adopted_rules):
            self._associate(f"{name}-adopted-{index}", pulumi.Output.from_input(rule))
        self.register_outputs({"addresses": self.addresses})

    def _endpoint(
        self,
        name: str,
        direction: str,
        group: pulumi.Output[str],
        addresses: tuple[IPv4Address, ...] = (),
    ) -> aws.route53.ResolverEndpoint:
        return aws.route53.ResolverEndpoint(
            name,
            name=self._args.place.name(direction.lower()),
            direction=direction,
            security_group_ids=[group],
            ip_addresses=[
                {"subnet_id": subnet, "ip": str(address) if address else None}
                for subnet, address in zip_longest(self._args.network.private[:TWO], addresses)
            ],
            protocols=["Do53"],
            opts=self._child,
        )

    def _rule(
        self, name: str, domain: str, servers: tuple[IPv4Address, ...], endpoint: pulumi.Output[str]
    ) -> None:
        rule = aws.route53.ResolverRule(
            name,
            name=self._args.place.name(domain.replace(".", "-")),
            domain_name=domain,
            rule_type="FORWARD",
            resolver_endpoint_id=endpoint,
            target_ips=[{"ip": str(server), "port": DNS} for server in servers],
            opts=self._child,
        )
        self._associate(name, rule.id)

    def _associate(self, name: str, rule: pulumi.Output[str]) -> None:
        aws.route53.ResolverRuleAssociation(
            name, resolver_rule_id=rule, vpc_id=self._args.network.vpc_id, opts=self._child
        )

    def _inbound(self, name: str) -> pulumi.Output[str]:
        """Questions of the site."""
        group = self._group(f"{name}-inbound", "names, asked by the site")
        for index, network in enumerate(self._args.site_networks):
            for protocol in ("tcp", "udp"):
                aws.vpc.SecurityGroupIngressRule(
                    f"{name}-inbound-{index}-{protocol}",
                    security_group_id=group,
                    cidr_ipv4=network,
                    ip_protocol=protocol,
                    from_port=DNS,
                    to_port=DNS,
                    opts=self._child,
                )
        return group

    def _outbound(self, name: str) -> pulumi.Output[str]:
        """Questions to the site's name servers, and to nobody else."""
        group = self._group(f"{name}-outbound", "names, asked of the site")
        servers = sorted({each for found in self._args.forward.values() for each in found})
        for index, server in enumerate(servers):
            for protocol in ("tcp", "udp"):
                aws.vpc.SecurityGroupEgressRule(
                    f"{name}-outbound-{index}-{protocol}",
                    security_group_id=group,
                    cidr_ipv4=f"{server}/32",
                    ip_protocol=protocol,
                    from_port=DNS,
                    to_port=DNS,
                    opts=self._child,
                )
        return group

    def _group(self, name: str, what: str) -> pulumi.Output[str]:
        return aws.ec2.SecurityGroup(
            name,
            vpc_id=self._args.network.vpc_id,
            description=f"Landfall: {what}",
            tags={"Name": self._args.place.name(name)},
            opts=self._child,
        ).id
