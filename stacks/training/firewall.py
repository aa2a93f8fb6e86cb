"""What a training machine may talk to: AWS's endpoints, S3, and the machines of its own pool."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.firewall import let_through, out_to_aws
from stacks.network import Reachable
from stacks.place import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways out that machines may take.

    Attributes:
        network: in which they stand.
        endpoints: the security group of the interface endpoints.
        s3: the prefix list of S3's gateway endpoint.
    """

    network: Reachable
    endpoints: pulumi.Input[str]
    s3: pulumi.Input[str]


def machine_group(
    name: str, place: Place, ways: Ways, *, among: bool, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """A security group that lets HTTPS out to endpoints and S3, and nothing in.

    Args:
        name: the logical name.
        place: for its name in the account.
        ways: where it leads.
        among: machines of the group reach each other with everything, as EFA needs (EC2 user
            guide, "Prepare an EFA-enabled security group": both ways, to and from itself).
        opts: options of the group and its rules.
    """
    group = aws.ec2.SecurityGroup(
        name,
        vpc_id=ways.network.vpc_id,
        description=f"Landfall: training machines of {name}, no way in from elsewhere",
        tags={"Name": place.name(name)},
        opts=opts,
    )
    out_to_aws(name, group.id, endpoints=ways.endpoints, s3=ways.s3, opts=opts)
    if among:
        let_through(f"{name}-among", group.id, group.id, None, opts)
    return group.id
