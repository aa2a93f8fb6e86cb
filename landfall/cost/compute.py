"""What machines are billed for: always their smallest number, and more while training runs.

A group of machines costs its smallest size for every hour of the month, and the difference to its
largest for `Around.training_hours`. Where it may start one of several types, the dearest counts.
Where its launch template is a reference that is not known yet, the dearest of the stack's
templates counts: an estimate errs on the high side, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

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
    elsewhere,
    in_region,
    instance_item,
)

LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
BY_HAND = "landfall:cost:Launched"
"""A row that `landfall.cost.launched` makes; no such resource is ever declared."""

GP3 = "EBS gp3 storage"

EKS_DISK_GB = 20
"""The root disk of a managed node that names none (EKS API, Nodegroup.diskSize)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one machine of a group is: types that it may be of, and the GB of its volumes."""

    types: tuple[str, ...]
    disk_gb: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many machines a group has at least and at most."""

    least: float
    most: float


def bought(machine: Machine, hours: float, *, purchase: str, region: str, note: str) -> Term:
    """`hours` of the dearest type that `machine` may be of."""
    uses = [_hours(name, hours, purchase, note) for name in machine.types]
    dearest = max(uses, key=lambda use: (price_of(use, region), use.item))
    blind = [use.item for use in uses if price_of(use, region) < 0 and use is not dearest]
    notes = [
        note,
        machine.note,
        f"dearest of {len(uses)} types" if len(uses) > 1 else "",
        f"no price of {', '.join(blind)}" if blind else "",
    ]
    return Use(
        item=dearest.item,
        quantity=dearest.quantity,
        purchase=dearest.purchase,
        ceiling=dearest.ceiling,
        note="; ".join(each for each in notes if each),
    )


def price_of(use: Use, region: str) -> float:
    """What one unit of `use` costs, or -1 where nobody knows."""
    found = in_region(use.item, region, use.purchase)
    found = found or (in_region(use.ceiling, region) if use.ceiling else None)
    found = found or elsewhere(use.item, use.purchase)
    found = found or (elsewhere(use.ceiling) if use.ceiling else None)
    return found.usd if found else -1.0


def _hours(name: str, hours: float, purchase: str, note: str) -> Use:
    match purchase:
        case "spot":
            item, ceiling = f"{instance_item(name)}, dearest AZ", instance_item(name)
        case "capacity_block":
            item, ceiling = f"EC2 {name} Capacity Block, reservation fee", ""
        case _:
            item, ceiling = instance_item(name), ""
    return Use(item=item, quantity=hours, purchase=purchase, ceiling=ceiling, note=note)


def group(
    resource: Resource, around: Around, machine: Machine | None, size: Size | None, purchase: str
) -> Iterator[Term]:
    """The terms of a group of machines."""
    if machine is None or not machine.types:
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
                machine, count * hours, purchase=purchase, region=resource.region, note=note
            )
            if machine.disk_gb:
                gb = machine.disk_gb * count * hours / HOURS
                yield Use(item=GP3, quantity=gb, note=f"volumes of {note}")


def from_template(reference: object, resource: Resource, around: Around) -> Machine | None:
    """The machine that a launch template describes, or None where that is not known.

    The one that `reference` names by id or name; where it is not known yet, the dearest type and
    the largest volumes of all templates in the region.
    """
    wanted = {text(at(first(reference), key)) for key in ("id", "name")} - {""}
    templates = [
        each
        for each in around.others
        if each.type == LAUNCH_TEMPLATE
        and each.region == resource.region
        and (not wanted or wanted & {each.id, text(each.props.get("name"))})
    ]
    names = sorted({name for each in templates if (name := text(each.props.get("instanceType")))})
    if not names:
        return None
    return Machine(
        types=(max(names, key=lambda name: _list_price(name, resource.region)),),
        disk_gb=max(template_disk(each.props) for each in templates),
        note="" if wanted else "its launch template is not known yet: the dearest here",
    )


def _list_price(instance_type: str, region: str) -> tuple[float, str]:
    item = instance_item(instance_type)
    return (price_of(Use(item=item, quantity=1), region), item)


def template_disk(props: Mapping[str, Any]) -> float:
    """GB of the volumes that a launch template or an instance makes."""
    blocks = items(props.get("blockDeviceMappings")) or []
    sizes = [number(at(each, "ebs", "volumeSize")) for each in blocks if isinstance(each, Mapping)]
    return sum(size for size in sizes if size)


def _node_group(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    template = props.get("launchTemplate")
    machine = from_template(template, resource, around) if template else None
    types = tuple(text(each) for each in items(props.get("instanceTypes")) or [] if text(each))
    if types:
        disk = machine.disk_gb if machine else number(props.get("diskSize")) or EKS_DISK_GB
        machine = Machine(types=types, disk_gb=disk)
    size = _size(at(props, "scalingConfig", "minSize"), at(props, "scalingConfig", "maxSize"))
    purchases = {"SPOT": SPOT, "CAPACITY_BLOCK": CAPACITY_BLOCK}
    purchase = purchases.get(text(props.get("capacityType")), ON_DEMAND)
    yield from group(resource, around, machine, size, purchase)


def _size(least: object, most: object) -> Size | None:
    low, high = number(least), number(most)
    return None if low is None or high is None else Size(least=low, most=high)


def _autoscaling(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    mixed = first(props.get("mixedInstancesPolicy"))
    overrides = items(at(mixed, "launchTemplate", "overrides")) or []
    types = tuple(name for each in overrides if (name := text(first(each).get("instanceType"))))
    reference = props.get("launchTemplate") or at(
        mixed, "launchTemplate", "launchTemplateSpecification"
    )
    machine = from_template(reference, resource, around)
    if types:
        machine = Machine(types=types, disk_gb=machine.disk_gb if machine else 0.0)
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
    template = settings.get("launchTemplate")
    disk = from_template(template, resource, around) if template else None
    machine = Machine(types=known, disk_gb=disk.disk_gb if disk else 0.0)
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
    types = tuple(name for each in overrides if (name := text(each.get("instanceType"))))
    machine = Machine(types=types) if types else from_template({}, resource, around)
    spot = capacity.get("defaultTargetCapacityType") == "spot"
    size = None if total is None else Size(least=0, most=total)
    yield from group(resource, around, machine, size, SPOT if spot else ON_DEMAND)


def _instance(resource: Resource, around: Around) -> Iterator[Term]:
    props = resource.props
    name = text(props.get("instanceType"))
    template = props.get("launchTemplate")
    machine = from_template(template, resource, around) if template else None
    if name:
        machine = Machine(types=(name,), disk_gb=machine.disk_gb if machine else 0.0)
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
    note = f"{count:g} machines, used or not; those that run in it are not billed again"
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
