"""Instances: network interfaces and EFA, capacity, Batch."""

from __future__ import annotations

from collections.abc import Iterator

from landfall.errors import Problem
from landfall.model.catalog import InstanceType, instance_types
from stacks.offline.constraints.view import View, at

TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
GROUP = "aws:autoscaling/group:Group"
ENVIRONMENT = "aws:batch/computeEnvironment:ComputeEnvironment"

INTERFACES = "networkInterfaces"
EFA = ("efa", "efa-only")


def _type(view: View) -> InstanceType | None:
    """What is known of the template's instance type."""
    name = view.get("instanceType")
    return instance_types().get(name) if isinstance(name, str) else None


def efa_count(view: View) -> Iterator[Problem]:
    """No more adapters than the instance type takes."""
    kind, given = _type(view), view.get(INTERFACES) or []
    count = sum(at(each, "interfaceType") in EFA for each in given)
    if kind is not None and count > kind.efa:
        takes = f"takes {kind.efa} at most" if kind.efa else "takes none"
        message = f"{count} with EFA, and {kind.type} {takes}"
        yield Problem(path=INTERFACES, message=message)


def efa_places(view: View) -> Iterator[Problem]:
    """The first interface has an address; every other is on a card that there is."""
    kind, seen = _type(view), set()
    for path, interface in view.each(f"{INTERFACES}[]"):
        card, device = at(interface, "networkCardIndex") or 0, at(interface, "deviceIndex") or 0
        place, what = (card, device), at(interface, "interfaceType")
        if place in seen:
            message = f"another interface is at card {card}, device {device}"
            yield Problem(path=f"{path}.deviceIndex", message=message)
        seen.add(place)
        if place == (0, 0) and what == "efa-only":
            message = "the first interface (card 0, device 0) needs an address: interface or efa"
            yield Problem(path=f"{path}.interfaceType", message=message)
        if kind is None:
            continue
        if kind.network_cards is not None and card >= kind.network_cards:
            message = f"{kind.type} has cards 0 to {kind.network_cards - 1}"
            yield Problem(path=f"{path}.networkCardIndex", message=message)
        if card == 0 and what in EFA and kind.efa and kind.efa_on_card_0 is False:
            message = f"card 0 of {kind.type} takes no EFA; they start at card 1"
            yield Problem(path=f"{path}.interfaceType", message=message)


def interfaces(view: View) -> Iterator[Problem]:
    """Where interfaces are written out, groups and addresses are theirs."""
    given = view.get(INTERFACES) or []
    if given and view.has("vpcSecurityGroupIds"):
        message = f"belongs in each of {INTERFACES}; AWS refuses both together"
        yield Problem(path="vpcSecurityGroupIds", message=message)
    for path, interface in view.each(f"{INTERFACES}[]"):
        if len(given) > 1 and at(interface, "associatePublicIpAddress") in (True, "true"):
            message = "an instance with several interfaces cannot be given a public address"
            yield Problem(path=f"{path}.associatePublicIpAddress", message=message)


def capacity_block(view: View) -> Iterator[Problem]:
    """A launch into a capacity block says which."""
    target = "capacityReservationSpecification.capacityReservationTarget"
    block = view.get("instanceMarketOptions.marketType") == "capacity-block"
    where = view.inputs.get("capacityReservationSpecification")
    given = at(where, "capacityReservationTarget") if isinstance(where, dict) else where
    if block and not given:
        yield Problem(path=target, message="missing; a capacity block is launched into by its id")


def batch_resources(view: View) -> Iterator[Problem]:
    """The least number of processors is not above the greatest; spot has a strategy for spot."""
    least, most = (view.get(f"computeResources.{name}") for name in ("minVcpus", "maxVcpus"))
    if least is not None and most is not None and least > most:
        message = "must not be above computeResources.maxVcpus"
        yield Problem(path="computeResources.minVcpus", message=message)
    kind = str(view.get("computeResources.type") or "").upper()
    strategy = str(view.get("computeResources.allocationStrategy") or "")
    path = "computeResources.allocationStrategy"
    if strategy.startswith("SPOT_") and kind == "EC2":
        yield Problem(path=path, message=f"{strategy} is for type SPOT")
    if strategy and kind.startswith("FARGATE"):
        yield Problem(path=path, message=f"{kind} has none")


def group_size(view: View) -> Iterator[Problem]:
    """The number of instances wanted is between the least and the greatest."""
    least, most, wanted = (view.get(name) for name in ("minSize", "maxSize", "desiredCapacity"))
    if least is not None and most is not None and least > most:
        yield Problem(path="minSize", message="must not be above maxSize")
    for bound, below in ((least, True), (most, False)):
        if wanted is None or bound is None:
            continue
        if (wanted < bound) if below else (wanted > bound):
            message = "must be from minSize to maxSize"
            yield Problem(path="desiredCapacity", message=message)


def group_place(view: View) -> Iterator[Problem]:
    """A group is in subnets or in zones, not in both."""
    if view.has("vpcZoneIdentifiers") and view.has("availabilityZones"):
        message = "leave it out: the subnets of vpcZoneIdentifiers have zones"
        yield Problem(path="availabilityZones", message=message)


RULES = {
    GROUP: (group_size, group_place),
    TEMPLATE: (efa_count, efa_places, interfaces, capacity_block),
    ENVIRONMENT: (batch_resources,),
}
