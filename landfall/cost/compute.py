"""What machines are billed for: always their smallest number, and more while training runs.

A group of machines costs its smallest size for every hour of the month, and the difference to its
largest for `Around.training_hours`. Where it may start one of several types, the dearest counts.
Machines that run in a reservation are billed where that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from landfall.cost.machines import Machine, bought, described
from landfall.cost.rate import (
    HOURS,
    Around,
    Gap,
    Rate,
    Resource,
    Term,
    Use,
    at,
    first,
    items,
    number,
    text,
    unpriced,
)
from landfall.model.catalog import instance_types
from landfall.model.catalog.prices import (
    CAPACITY_BLOCK,
    ON_DEMAND,
    SPOT,
)

BY_HAND = "landfall:cost:Launched"
"""A row that `landfall.cost.launched` makes; no such resource is ever declared."""

GP3 = "EBS gp3 storage"

EKS_DISK_GB = 20
"""The root disk of a managed node that names none (EKS API, Nodegroup.diskSize)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many machines a group has at least and at most."""

    least: float
    most: float


def group(
    resource: Resource, around: Around, machine: Machine | None, size: Size | None, purchase: str
) -> Iterator[Term]:
    """The terms of a group of machines; `purchase` counts where the machine says nothing else."""
    if machine is None:
        yield Gap(reason="its launch template is not in this stack")
        return
    if not machine.types:
        yield Gap(reason="of which instance type its machines are is not known here")
        return
    if size is None:
        yield Gap(reason="how many machines it has is not known here")
        return
    more = max(0.0, size.most - size.least)
    for count, hours, when in (
        (size.least, HOURS, "always"),
        (more, around.training_hours, f"{around.training_hours:g} h of training"),
    ):
        if count:
            note = f"{count:g} machines, {when}"
            yield bought(
                machine,
                count * hours,
                purchase=machine.purchase or purchase,
                region=resource.region,
                note=note,
            )
            if machine.disk_gb:
                gb = machine.disk_gb * count * hours / HOURS
                yield Use(item=GP3, quantity=gb, note=f"volumes of {note}")


def _node_group(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    machine = described(
        _texts(props.get("instanceTypes")), props.get("launchTemplate"), resource, around
    )
    if machine and not props.get("launchTemplate"):
        machine = replace(machine, disk_gb=number(props.get("diskSize")) or EKS_DISK_GB)
    size = _size(at(props, "scalingConfig", "minSize"), at(props, "scalingConfig", "maxSize"))
    purchases = {"SPOT": SPOT, "CAPACITY_BLOCK": CAPACITY_BLOCK}
    purchase = purchases.get(text(props.get("capacityType")), ON_DEMAND)
    yield from group(resource, around, machine, size, purchase)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(name for each in items(value) or [] if (name := text(each)))


def _size(least: object, most: object) -> Size | None:
    low, high = number(least), number(most)
    return None if low is None or high is None else Size(least=low, most=high)


def _autoscaling(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    mixed = first(props.get("mixedInstancesPolicy"))
    overrides = items(at(mixed, "launchTemplate", "overrides")) or []
    types = _texts([first(each).get("instanceType") for each in overrides])
    reference = props.get("launchTemplate") or at(
        mixed, "launchTemplate", "launchTemplateSpecification"
    )
    machine = described(types, reference, resource, around)
    share = number(at(mixed, "instancesDistribution", "onDemandPercentageAboveBaseCapacity"))
    base = number(at(mixed, "instancesDistribution", "onDemandBaseCapacity"))
    purchase = SPOT if share == 0 and not base else ON_DEMAND
    size = _size(props.get("minSize"), props.get("maxSize"))
    yield from group(resource, around, machine, size, purchase)


def _batch(resource: Resource, around: Around) -> Iterator[Term]:
    settings = first(resource.props.get("computeResources"))
    kind = text(settings.get("type"))
    if kind.startswith("FARGATE"):
        yield Gap(reason="Fargate jobs are billed by their own size and duration")
        return
    names = [text(each) for each in items(settings.get("instanceTypes")) or []]
    known = tuple(name for name in names if name in instance_types())
    if not known or len(known) < len(names):
        yield Gap(reason="of which instance types its machines are is not known here")
        return
    # A machine more than fits exactly: Batch may go over its limit by one.
    fewest = min(instance_types()[name].vcpu for name in known)
    low, high = number(settings.get("minVcpus") or 0), number(settings.get("maxVcpus"))
    size = (
        None
        if low is None or high is None
        else Size(least=math.ceil(low / fewest), most=math.ceil(high / fewest))
    )
    machine = described(known, settings.get("launchTemplate"), resource, around)
    yield from group(resource, around, machine, size, SPOT if kind == "SPOT" else ON_DEMAND)


def _fleet(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    capacity = first(props.get("targetCapacitySpecification"))
    total = number(capacity.get("totalTargetCapacity"))
    configurations = items(props.get("launchTemplateConfigs")) or [
        props.get("launchTemplateConfigs")
    ]
    overrides = [
        first(override)
        for each in configurations
        for override in items(first(each).get("overrides")) or []
    ]
    types = _texts([each.get("instanceType") for each in overrides])
    reference = first(configurations[0]).get("launchTemplateSpecification")
    machine = described(types, reference, resource, around)
    spot = capacity.get("defaultTargetCapacityType") == "spot"
    size = None if total is None else Size(least=0, most=total)
    yield from group(resource, around, machine, size, SPOT if spot else ON_DEMAND)


def _instance(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    types = _texts([props.get("instanceType")])
    machine = described(types, props.get("launchTemplate"), resource, around)
    spot = at(props, "instanceMarketOptions", "marketType") == "spot"
    yield from group(resource, around, machine, Size(least=1, most=1), SPOT if spot else ON_DEMAND)
    blocks = [first(props.get("rootBlockDevice")), *(items(props.get("ebsBlockDevices")) or [])]
    for block in blocks:
        gb = number(first(block).get("volumeSize"))
        if gb:
            yield Use(item=GP3, quantity=gb, note="its volumes, priced as gp3")


def _reservation(resource: Resource, _around: Around) -> Iterator[Term]:
    name = text(resource.props.get("instanceType"))
    count = number(resource.props.get("instanceCount"))
    if not name or count is None:
        yield Gap(reason="what it reserves is not known here")
        return
    note = f"{count:g} machines, used or not"
    machine = Machine(types=(name,))
    yield bought(machine, count * HOURS, purchase=ON_DEMAND, region=resource.region, note=note)


def _launched(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    machine = Machine(
        types=(text(props.get("instanceType")),), disk_gb=number(props.get("diskGb")) or 0.0
    )
    size = Size(least=0, most=number(props.get("instances")) or 0)
    yield from group(resource, around, machine, size, text(props.get("purchase")) or ON_DEMAND)


def _cluster(resource: Resource, _around: Around) -> Iterator[Term]:
    extended = at(resource.props, "upgradePolicy", "supportType") == "EXTENDED"
    note = "dearer once its version is out of standard support" if extended else ""
    yield Use(item="EKS cluster, standard support", quantity=HOURS, note=note)


RATES: dict[str, Rate] = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:eks/fargateProfile:FargateProfile": unpriced("pods on Fargate are billed by their size"),
    "aws:autoscaling/group:Group": _autoscaling,
    "aws:batch/computeEnvironment:ComputeEnvironment": _batch,
    "aws:ec2/fleet:Fleet": _fleet,
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/capacityReservation:CapacityReservation": _reservation,
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation": unpriced(
        "bought up front at its offering's own price"
    ),
    BY_HAND: _launched,
}
"""By type, what is billed."""
