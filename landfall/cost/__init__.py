"""Prices times resources: what a stack costs per month at list prices, and what is not known.

Nothing is invented. What has no price, what is billed by use, and every type that is in no table
is listed beside the total; a price of another region is used only where the assumptions allow it,
and its line says so. List prices: without tax, discount, commitment or free tier.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from landfall.cost.compute import BY_HAND
from landfall.cost.machines import LAUNCH_TEMPLATE
from landfall.cost.rate import HOURS, Around, Gap, Metered, Resource, Term, Use
from landfall.cost.tables import rate
from landfall.cost.tasks import TASK_DEFINITION
from landfall.errors import Problem
from landfall.model.catalog.prices import ON_DEMAND, Price, elsewhere, in_region

__all__ = [
    "HOURS",
    "Assumptions",
    "Estimate",
    "Line",
    "Resource",
    "Unpriced",
    "Usage",
    "delta",
    "launched",
    "monthly",
    "over_budget",
]

REFERRED_TO = frozenset({LAUNCH_TEMPLATE, TASK_DEFINITION})
"""Types that cost nothing themselves and decide what others cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much of something that is billed by use is assumed, for one resource or for each.

    Attributes:
        item: as the price list calls it.
        quantity: a month, in the price's unit.
        resource: the name of the one resource that it is about; every one where empty.
    """

    item: str
    quantity: float
    resource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What an estimate takes for granted, because no description of a stack says it.

    Attributes:
        training_hours: hours a month in which training runs, with every group at its largest.
        usage: of what is billed by use. What is not here is listed as unknown.
        other_regions: whether a price of another region may stand in, flagged.
    """

    training_hours: float
    usage: tuple[Usage, ...] = ()
    other_regions: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One item of one resource.

    Attributes:
        resource: its label, see `Resource.label`.
        item: as the price list calls it.
        quantity: a month, in `unit`.
        unit: what `usd_per_unit` is the price of one of.
        usd_per_unit: in US dollars.
        region: the region of the price; `stand_in` where that is not the resource's own.
        as_of: the date of the price, None where it has none.
        confidence: read, secondary or conflicting.
        note: what was counted, and what was assumed.
    """

    resource: str
    item: str
    quantity: float
    unit: str
    usd_per_unit: float
    region: str
    stand_in: bool
    as_of: str | None
    confidence: str
    note: str = ""

    @property
    def usd_month(self) -> float:
        """US dollars a month."""
        return self.quantity * self.usd_per_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpriced:
    """Something that costs money and is not in the total.

    Attributes:
        resource: its label.
        type: its type token.
        reason: why it is not in the total.
        by_use: whether it is billed by use; then `usd_per_unit` is the price of one `unit`, where
            there is one, of the region `region` and the date `as_of`.
        item: as the price list calls it, where it has a name there.
    """

    resource: str
    type: str
    reason: str
    by_use: bool = False
    item: str = ""
    unit: str = ""
    usd_per_unit: float | None = None
    region: str = ""
    as_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What resources cost a month: lines, what is not in them, and what is free; all in order."""

    lines: tuple[Line, ...]
    unknown: tuple[Unpriced, ...]
    free: tuple[str, ...]
    assumptions: Assumptions = field(default_factory=lambda: Assumptions(training_hours=0))

    @property
    def total_usd(self) -> float:
        """US dollars a month of all lines."""
        return math.fsum(line.usd_month for line in self.lines)

    @property
    def stand_in_usd(self) -> float:
        """How much of the total comes from prices of other regions."""
        return math.fsum(line.usd_month for line in self.lines if line.stand_in)

    @property
    def by_resource(self) -> dict[str, float]:
        """US dollars a month by resource, the dearest first."""
        sums: dict[str, list[float]] = {}
        for line in self.lines:
            sums.setdefault(line.resource, []).append(line.usd_month)
        totals = {name: math.fsum(each) for name, each in sums.items()}
        return dict(sorted(totals.items(), key=lambda each: (-each[1], each[0])))


def monthly(resources: Iterable[Resource], assumptions: Assumptions) -> Estimate:
    """What `resources` cost a month at list prices."""
    everything = tuple(resources)
    around = Around(training_hours=assumptions.training_hours, others=everything)
    lines: list[Line] = []
    unknown: list[Unpriced] = []
    free: list[str] = []
    for resource in everything:
        terms = _terms(resource, around)
        if not terms:
            free.append(resource.label)
        for term in terms:
            found = _priced(resource, term, assumptions)
            if isinstance(found, Line):
                lines.append(found)
            else:
                unknown.append(found)
    return Estimate(
        lines=tuple(sorted(lines, key=_order)),
        unknown=tuple(sorted(unknown, key=lambda each: (each.resource, each.item, each.reason))),
        free=tuple(sorted(free)),
        assumptions=assumptions,
    )


def delta(
    before: Resource | None,
    after: Resource | None,
    assumptions: Assumptions,
    *,
    among: Sequence[Resource] = (),
) -> float | None:
    """The difference in US dollars a month that one change makes.

    None where it is not known: what is billed by use alone, or has no price. What a resource is
    billed for by use on top of a fixed price is left out. A launch template or a task definition
    costs nothing itself: a change of one is worth what it does to `among`.

    Args:
        before: the resource as it is; None where it is new.
        after: the resource as it will be; None where it goes.
        assumptions: as of `monthly`.
        among: all resources of the stack as they will be, for those that these refer to.
    """
    if before and after and after.type in REFERRED_TO:
        others = [each for each in among if (each.type, each.name) != (after.type, after.name)]
        was, will_be = (monthly([*others, each], assumptions) for each in (before, after))
        return will_be.total_usd - was.total_usd
    sides = [_fixed(each, assumptions, among) if each else 0.0 for each in (before, after)]
    return None if None in sides else math.fsum([sides[1] or 0.0, -(sides[0] or 0.0)])


def launched(
    name: str,
    instance_type: str,
    *,
    region: str,
    instances: int = 1,
    purchase: str = ON_DEMAND,
    disk_gb: float = 0,
) -> Resource:
    """A row for machines that somebody starts from a launch template while training runs.

    A template costs nothing; this says what is assumed to be started from it, for
    `Assumptions.training_hours`. `purchase` is on_demand, spot or capacity_block.
    """
    props = {
        "instanceType": instance_type,
        "instances": instances,
        "purchase": purchase,
        "diskGb": disk_gb,
    }
    return Resource(type=BY_HAND, name=name, props=props, region=region)


def over_budget(estimate: Estimate, budget_usd: float, *, path: str) -> Problem | None:
    """What is wrong with a monthly budget that its own plan exceeds at list prices, if it does.

    Args:
        estimate: of the plan.
        budget_usd: US dollars a month.
        path: where the budget is written.
    """
    total = estimate.total_usd
    if total <= budget_usd:
        return None
    dearest = [f"{name} {usd:,.2f}" for name, usd in list(estimate.by_resource.items())[:3]]
    more = f"; {len(estimate.unknown)} items more have no price" if estimate.unknown else ""
    message = (
        f"a budget of {budget_usd:,.2f} USD a month is below the list price of what is declared, "
        f"{total:,.2f} USD ({', '.join(dearest)}){more}; "
        f"raise it to {math.ceil(total):,} or more, or declare less"
    )
    return Problem(path=path, message=message)


def _terms(resource: Resource, around: Around) -> list[Term]:
    billed = rate(resource.type)
    return list(billed(resource, around)) if billed else []


def _priced(resource: Resource, term: Term, assumptions: Assumptions) -> Line | Unpriced:
    match term:
        case Gap():
            return Unpriced(resource=resource.label, type=resource.type, reason=term.reason)
        case Metered():
            return _metered(resource, term, assumptions)
        case Use():
            price, note = _price(term, resource.region, assumptions)
            if price is None:
                return Unpriced(
                    resource=resource.label,
                    type=resource.type,
                    reason=f"no price in {resource.region}",
                    item=term.item,
                )
            return _line(resource, price, term.quantity, "; ".join(filter(None, [term.note, note])))


def _metered(resource: Resource, term: Metered, assumptions: Assumptions) -> Line | Unpriced:
    use = Use(item=term.item, quantity=0)
    price, _ = _price(use, resource.region, assumptions)
    quantity = _assumed(resource, term.item, assumptions)
    if price is not None and quantity is not None:
        return _line(resource, price, quantity, "; ".join(filter(None, ["assumed", term.note])))
    reason = "billed by use" if price else f"billed by use; no price in {resource.region}"
    return Unpriced(
        resource=resource.label,
        type=resource.type,
        reason="; ".join(filter(None, [reason, term.note])),
        by_use=True,
        item=term.item,
        unit=price.unit if price else "",
        usd_per_unit=price.usd if price else None,
        region=price.region if price else "",
        as_of=price.as_of if price else None,
    )


def _assumed(resource: Resource, item: str, assumptions: Assumptions) -> float | None:
    """What is assumed for this very resource, else for each; None where nothing is."""
    for name in (resource.name, ""):
        found = [u.quantity for u in assumptions.usage if u.item == item and u.resource == name]
        if found:
            return math.fsum(found)
    return None


def _price(use: Use, region: str, assumptions: Assumptions) -> tuple[Price | None, str]:
    """The price of `use`, in its region or as a ceiling, else elsewhere; and what to say of it."""
    found = in_region(use.item, region, use.purchase)
    if found is None and use.ceiling:
        found = in_region(use.ceiling, region)
        if found is not None:
            return found, f"no {use.purchase} price: at most the on-demand price"
    if found is None and assumptions.other_regions:
        found = elsewhere(use.item, use.purchase)
        if found is None and use.ceiling:
            return elsewhere(use.ceiling), f"no {use.purchase} price: at most the on-demand price"
    return found, ""


def _line(resource: Resource, price: Price, quantity: float, note: str) -> Line:
    stand_in = price.region not in {resource.region, "global"}
    return Line(
        resource=resource.label,
        item=price.item,
        quantity=quantity,
        unit=price.unit,
        usd_per_unit=price.usd,
        region=price.region,
        stand_in=stand_in,
        as_of=price.as_of,
        confidence=price.confidence,
        note="; ".join(filter(None, [note, f"price of {price.region}" if stand_in else ""])),
    )


def _order(line: Line) -> tuple[str, str, str, float]:
    return (line.resource, line.item, line.note, line.quantity)


def _fixed(resource: Resource, assumptions: Assumptions, among: Sequence[Resource]) -> float | None:
    around = Around(training_hours=assumptions.training_hours, others=(*among, resource))
    terms = _terms(resource, around)
    found = [_priced(resource, term, assumptions) for term in terms]
    lines = [each for each in found if isinstance(each, Line)]
    missing = [each for each in found if isinstance(each, Unpriced)]
    if any(not each.by_use for each in missing) or (missing and not lines):
        return None
    return math.fsum(line.usd_month for line in lines)
