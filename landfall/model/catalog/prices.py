"""Dated list prices of AWS, each with its source; no price is invented."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from landfall.model.catalog import FOLDER, gpu_source, instance_types

ANY_REGION = "global"
"""The region of a price that is the same in all of them."""

CONFIDENCE = ("conflicting", "secondary", "read")
"""From sources that disagree, over an article, to a price list or a fixture made from one."""

ON_DEMAND = "on_demand"
SPOT = "spot"
CAPACITY_BLOCK = "capacity_block"

REFERENCE_REGION = "us-east-1"
"""The region that most prices are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one unit of something costs.

    Attributes:
        item: what is billed, in the words of the data file.
        region: of AWS, or where else the price holds; see `ANY_REGION`.
        unit: of what `usd` is the price of one, e.g. `instance-hour`.
        usd: US dollars, without tax or discount.
        purchase: on_demand, spot or capacity_block.
        as_of: the day, month or year of the source; None where it has no date.
        source: where it was read.
        confidence: one of `CONFIDENCE`.
        note: what a reader should know about it.
    """

    item: str
    region: str
    unit: str
    usd: float
    purchase: str
    as_of: str | None
    source: str
    confidence: str
    note: str = ""


@cache
def prices() -> tuple[Price, ...]:
    """Every price that is known; GPU instances in us-east-1 come from their own catalog."""
    written = json.loads((FOLDER / "prices.json").read_text())
    listed = [Price(**each) for each in written["prices"]]
    known = {(each.item, each.region) for each in listed}
    listed += [
        Price(
            item=instance_item(kind.type),
            region=REFERENCE_REGION,
            unit="instance-hour",
            usd=kind.usd_hr_us_east_1,
            purchase=ON_DEMAND,
            as_of="2026-07-20",  # of gpu_instances.json, see its source
            source=gpu_source(),
            confidence="read",
        )
        for kind in instance_types().values()
        if kind.usd_hr_us_east_1 is not None
        and (instance_item(kind.type), REFERENCE_REGION) not in known
    ]
    return tuple(listed)


def instance_item(instance_type: str) -> str:
    """What an instance's hour is called in the price list."""
    return f"EC2 {instance_type} Linux"


def in_region(item: str, region: str, purchase: str = ON_DEMAND) -> Price | None:
    """The best price of `item` that holds in `region`: most trusted, then newest."""
    return best(each for each in _of(item, purchase) if each.region in {region, ANY_REGION})


def best(found: Iterable[Price]) -> Price | None:
    """The most trusted of `found`, of those the newest, of those the dearest."""
    return max(found, key=_rank, default=None)


def elsewhere(item: str, purchase: str = ON_DEMAND) -> Price | None:
    """A price of `item` of whatever region: us-east-1 where there is one, else the dearest.

    Whoever uses it says of which region it is.
    """
    reference = in_region(item, REFERENCE_REGION, purchase)
    return reference or max(_of(item, purchase), key=lambda each: each.usd, default=None)


def _of(item: str, purchase: str) -> list[Price]:
    return _by_item().get((item, purchase), [])


@cache
def _by_item() -> dict[tuple[str, str], list[Price]]:
    found: dict[tuple[str, str], list[Price]] = {}
    for each in prices():
        found.setdefault((each.item, each.purchase), []).append(each)
    return found


def _rank(price: Price) -> tuple[int, str, float]:
    # Of two that are as good, the dearer: an estimate errs on the high side.
    return (CONFIDENCE.index(price.confidence), price.as_of or "", price.usd)
