"""Rules of security groups that components share."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

HTTPS = 443

Ports = tuple[int, int]
"""The first and the last."""


def let_through(
    name: str,
    caller: pulumi.Input[str],
    called: pulumi.Input[str],
    ports: Ports | None,
    opts: pulumi.ResourceOptions,
) -> None:
    """One group may call another: its way out, and the other's way in.

    Without `ports` everything may pass, of any protocol.
    """
    protocol = "-1" if ports is None else "tcp"
    first, last = ports or (None, None)
    aws.vpc.SecurityGroupEgressRule(
        name,
        security_group_id=caller,
        referenced_security_group_id=called,
        ip_protocol=protocol,
        from_port=first,
        to_port=last,
        opts=opts,
    )
    aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id=called,
        referenced_security_group_id=caller,
        ip_protocol=protocol,
        from_port=first,
        to_port=last,
        opts=opts,
    )


def out_to_aws(
    name: str,
    group: pulumi.Input[str],
    *,
    endpoints: pulumi.Input[str],
    s3: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """HTTPS out to the interface endpoints' group and to the prefix list of S3."""
    ways = {"endpoints": (endpoints, None), "s3": (None, s3)}
    for way, (to_group, to_list) in ways.items():
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-{way}",
            security_group_id=group,
            referenced_security_group_id=to_group,
            prefix_list_id=to_list,
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=opts,
        )


def https_from(
    name: str,
    group: pulumi.Input[str],
    networks: Iterable[object],
    opts: pulumi.ResourceOptions,
    *,
    vpc: object = None,
) -> None:
    """HTTPS in from the site's networks, and from the VPC's if that is given."""
    sources = {"vpc": vpc} if vpc is not None else {}
    sources |= {f"site-{number}": each for number, each in enumerate(networks)}
    for source, network in sources.items():
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{source}",
            security_group_id=group,
            cidr_ipv4=str(network),
            ip_protocol="tcp",
            from_port=HTTPS,
            to_port=HTTPS,
            opts=opts,
        )
