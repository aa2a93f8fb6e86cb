"""What one machine of a group is, and what an hour of it costs.

Where a launch template is a reference that is not known yet, the dearest type and the largest
volumes of all the stack's templates count: an estimate errs on the high side, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landfall.cost.rate import Around, Resource, Term, Use, at, first, items, number, text
from landfall.model.catalog import prices
from landfall.model.catalog.prices import elsewhere, in_region, instance_item

LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
IDS, NAMES = ("id", "launchTemplateId"), ("name", "launchTemplateName")
"""How different launchers refer to a template."""

DEAREST = "which launch template is not known yet: the dearest that it may be"

MARKETS = {"spot": prices.SPOT, "capacity-block": prices.CAPACITY_BLOCK}
"""How a template says that its machines are bought, other than on demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one machine of a group is.

    Attributes:
        types: it may be of any of these.
        disk_gb: of its volumes.
        purchase: how it is bought, where its template says so.
        reserved: whether it runs in a reservation, which is billed by itself.
        note: what was taken for granted.
    """

    types: tuple[str, ...]
    disk_gb: float = 0.0
    purchase: str = ""
    reserved: bool = False
    note: str = ""


def described(
    types: tuple[str, ...], reference: object, resource: Resource, around: Around
) -> Machine | None:
    """A machine of `resource`, which says `types` itself or leaves that to its launch template.

    None where the template that `reference` names is not in the stack.
    """
    if not reference:
        return Machine(types=types)
    known = any(text(first(reference).get(key)) for key in (*IDS, *NAMES))
    there = [
        each
        for each in around.others
        if each.type == LAUNCH_TEMPLATE and each.region == resource.region
    ]
    judged = [(each, _refers(first(reference), each)) for each in there]
    templates = [each for each, sure in judged if sure]
    # Before a template is made nobody knows its id, so that any of those may be meant.
    templates = templates or [each for each, sure in judged if sure is None]
    if not templates:
        return None if known else Machine(types=types)
    names = sorted({name for each in templates if (name := text(each.props.get("instanceType")))})
    dearest = max(names, key=lambda name: _list_price(name, resource.region), default="")
    markets = {_market(each.props) for each in templates} if known else {""}
    return Machine(
        types=types or ((dearest,) if dearest else ()),
        disk_gb=max(template_disk(each.props) for each in templates),
        purchase=markets.pop() if len(markets) == 1 else "",
        reserved=known and all(_reserved(each.props) for each in templates),
        note="" if types or len(names) == 1 else DEAREST,
    )


def _refers(reference: Mapping[str, Any], template: Resource) -> bool | None:
    """Whether the one is about the other; None where too little is known of both to say."""
    for said, keys in ((template.id, IDS), (text(template.props.get("name")), NAMES)):
        wanted = {text(reference.get(key)) for key in keys} - {""}
        if said and wanted:
            return said in wanted
    return None


def template_disk(props: Mapping[str, Any]) -> float:
    """GB of the volumes that a launch template makes."""
    blocks = items(props.get("blockDeviceMappings")) or []
    sizes = [number(at(each, "ebs", "volumeSize")) for each in blocks if isinstance(each, Mapping)]
    return sum(size for size in sizes if size)


def _market(props: Mapping[str, Any]) -> str:
    return MARKETS.get(text(at(props, "instanceMarketOptions", "marketType")), "")


def _reserved(props: Mapping[str, Any]) -> bool:
    """Whether its machines run in a reservation that is no capacity block: a block has a fee."""
    target = at(props, "capacityReservationSpecification", "capacityReservationTarget")
    return bool(first(target)) and not _market(props)


def _list_price(instance_type: str, region: str) -> tuple[float, str]:
    item = instance_item(instance_type)
    return (price_of(Use(item=item, quantity=1), region), item)


def bought(machine: Machine, hours: float, *, purchase: str, region: str, note: str) -> Term:
    """`hours` of the dearest type that `machine` may be of; none where it runs in a reservation."""
    uses = [_hours(name, hours, purchase, note) for name in machine.types]
    dearest = max(uses, key=lambda use: (price_of(use, region), use.item))
    blind = [use.item for use in uses if price_of(use, region) < 0 and use is not dearest]
    notes = [
        note,
        "in a reservation, which is billed where it is declared" if machine.reserved else "",
        machine.note,
        f"dearest of {len(uses)} types" if len(uses) > 1 else "",
        f"no price of {', '.join(blind)}" if blind else "",
    ]
    return Use(
        item=dearest.item,
        quantity=0 if machine.reserved else dearest.quantity,
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
        case prices.SPOT:
            item, ceiling = f"{instance_item(name)}, dearest AZ", instance_item(name)
        case prices.CAPACITY_BLOCK:
            item, ceiling = f"EC2 {name} Capacity Block, reservation fee", ""
        case _:
            item, ceiling = instance_item(name), ""
    return Use(item=item, quantity=hours, purchase=purchase, ceiling=ceiling, note=note)
