"""A place in which a test's components stand, without the program that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi

from landfall.model.classification import Classification
from stacks.network import Ids
from stacks.place import Place
from stacks.settings.parts import Tags

ACCOUNT = "111122223333"
REGION = "eu-central-1"
ZONES = (f"{REGION}a", f"{REGION}b")
CIDR = IPv4Network("10.100.0.0/16")
SITE = IPv4Network("10.64.0.0/16")
PURPOSES = ("artifacts", "datasets", "logs", "compute", "registry", "secrets", "stream")


def key_arn(purpose: str) -> str:
    """The ARN of a key that a test's place has."""
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{purpose}"


def place(
    *,
    environment: str = "dev",
    protect: bool = False,
    data_class: Classification = Classification.INTERNAL,
) -> Place:
    """A place whose keys and account are there already."""
    return Place(
        environment=environment,
        account=pulumi.Output.from_input(ACCOUNT),
        region=REGION,
        zones=ZONES,
        tags=Tags(owner="platform", cost_centre="ml-dev", data_class=data_class),
        keys={purpose: pulumi.Output.from_input(key_arn(purpose)) for purpose in PURPOSES},
        logs_days=90,
        protect=protect,
        permissions_boundary=pulumi.Output.from_input(
            f"arn:aws:iam::{ACCOUNT}:policy/landfall-boundary"
        ),
        role_path="/landfall/",
    )


@dataclass
class StandingNetwork:
    """A network that is there already: two zones, one of every kind of subnet in each."""

    vpc_id: pulumi.Output[str]
    private: Ids
    isolated: Ids
    attachments: Ids
    private_tables: Ids
    isolated_tables: Ids
    cidr: IPv4Network = CIDR


def network() -> StandingNetwork:
    """A network of ids that an account could have."""

    def ids(*found: str) -> Ids:
        return [pulumi.Output.from_input(each) for each in found]

    return StandingNetwork(
        vpc_id=pulumi.Output.from_input("vpc-0a1b2c3d"),
        private=ids("subnet-0a000001", "subnet-0a000002"),
        isolated=ids("subnet-0b000001", "subnet-0b000002"),
        attachments=ids("subnet-0c000001", "subnet-0c000002"),
        private_tables=ids("rtb-0a000001"),
        isolated_tables=ids("rtb-0b000001"),
    )
