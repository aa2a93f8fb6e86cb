"""How a pool's machines are had: what is reserved or bought for them, and what they claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from stacks.place import Place
from stacks.settings.training import Block, Pool, Reservation

PLATFORM = "Linux/UNIX"

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a machine asks for when it starts.

    Attributes:
        reservation: the id of the capacity that it may use and no other; None for any.
        block: whether that is a capacity block.
    """

    reservation: pulumi.Output[str] | None = None
    block: bool = False


def claim(
    name: str,
    pool: Pool,
    place: Place,
    *,
    group: aws.ec2.PlacementGroup | None,
    parent: pulumi.Resource,
) -> Claim | None:
    """The capacity of a pool, reserved or bought where its settings say so.

    None for a block that nobody has agreed to buy: nothing is declared for its pool then, and a
    warning says what would be bought.
    """
    capacity = pool.capacity
    if isinstance(capacity, Block):
        if not capacity.bought:
            pulumi.log.warn(not_bought(name, pool, capacity), resource=parent)
            return None
        return Claim(reservation=_block(name, capacity, place, parent), block=True)
    if isinstance(capacity, Reservation):
        return Claim(reservation=_reservation(name, pool, capacity, place, group, parent))
    return Claim()


def _block(name: str, capacity: Block, place: Place, parent: pulumi.Resource) -> pulumi.Output[str]:
    if capacity.id:
        return pulumi.Output.from_input(capacity.id)
    pulumi.log.warn(
        f"{name}: {capacity.offering} is bought when this is applied, and cannot be given back; "
        "destroying the stack only forgets it",
        resource=parent,
    )
    return aws.ec2.CapacityBlockReservation(
        name,
        capacity_block_offering_id=capacity.offering,
        instance_platform=PLATFORM,
        opts=pulumi.ResourceOptions(parent=parent, protect=place.protect),
    ).id


def _reservation(
    name: str,
    pool: Pool,
    capacity: Reservation,
    place: Place,
    group: aws.ec2.PlacementGroup | None,
    parent: pulumi.Resource,
) -> pulumi.Output[str]:
    if capacity.id:
        return pulumi.Output.from_input(capacity.id)
    return aws.ec2.CapacityReservation(
        name,
        availability_zone=capacity.zone,
        instance_type=pool.instance_types[0],
        instance_platform=PLATFORM,
        instance_count=pool.max_instances,
        instance_match_criteria="targeted",
        placement_group_arn=group.arn if group else None,
        # Protected and not retained: capacity that is let go may not come back, and capacity that
        # is forgotten is paid for.
        opts=pulumi.ResourceOptions(parent=parent, protect=place.protect),
    ).id


def not_bought(name: str, pool: Pool, block: Block) -> str:
    """What would be bought for a pool, and how to agree to it."""
    return (
        f"{name}: nothing is declared, since its capacity block is not bought. It would be "
        f"{pool.max_instances} x {pool.instance_types[0]} in {block.zone} from {block.start} to "
        f"{block.end}, offering {block.offering}, paid at once and never given back. "
        f"To buy it: capacity.purchase: {block.offering}"
    )


def in_zone(pool: Pool, place: Place, each: Sequence[Item]) -> list[Item]:
    """Of a list in the zones' order, those that the pool's capacity can be in."""
    if pool.zone is None:
        return list(each)
    return [each[place.zones.index(pool.zone)]]
