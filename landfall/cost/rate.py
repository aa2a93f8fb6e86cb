"""What a rate reads and what it says: the words that the tables of `landfall.cost` are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from landfall.model.catalog.prices import ON_DEMAND

HOURS = 730.0
"""Hours of a month, as AWS's own calculator counts them (8,760 a year / 12)."""

HIDDEN = frozenset({"04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[unknown]", "[secret]"})
"""What stands for a text that is not known yet (Pulumi's own mark, and ours) or not told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A declared resource, plainly.

    Attributes:
        type: its Pulumi type token.
        name: its name in the stack.
        props: its inputs under their camelCase names. What the engine does not know yet may be
            absent or any text; a list of such values still has its length.
        region: the AWS region it is in.
        id: what AWS calls it, where the engine knows that already.
    """

    type: str
    name: str
    props: Mapping[str, Any] = field(default_factory=dict)
    region: str
    id: str = ""

    @property
    def label(self) -> str:
        """Its type in short, and its name: `eks.NodeGroup gpu`."""
        parts = self.type.split(":")
        module = parts[1].partition("/")[0] if len(parts) > 1 else ""
        return f"{module}.{parts[-1]} {self.name}".lstrip(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """So much of something in a month, whatever is done with it.

    `ceiling` is an item whose price bounds this one's, for where this has none.
    """

    item: str
    quantity: float
    note: str = ""
    purchase: str = ON_DEMAND
    ceiling: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """Something that is billed by use, which no description of a resource tells."""

    item: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that costs money, and why it cannot be said how much."""

    reason: str


Term = Use | Metered | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a rate may look at besides its resource.

    Attributes:
        training_hours: hours a month in which every group of machines is at its largest.
        others: all resources of the stack, for those that one refers to.
    """

    training_hours: float
    others: tuple[Resource, ...] = ()


Rate = Callable[[Resource, Around], Iterable[Term]]
"""What a resource of one type is billed for; nothing where it is free in this form."""


def number(value: object) -> float | None:
    """`value` as a number of at least 0, also where it is written as text; None otherwise."""
    if isinstance(value, bool):
        return None
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return found if 0 <= found < float("inf") else None


def text(value: object) -> str:
    """`value` if it is text that is known, else nothing."""
    return value if isinstance(value, str) and value not in HIDDEN else ""


def items(value: object) -> list[Any] | None:
    """`value` if it is a list, else None."""
    return list(value) if isinstance(value, list | tuple) else None


def first(value: object) -> Mapping[str, Any]:
    """A block of settings: an object, or the first of a list of them; else nothing."""
    found = items(value)
    inner = (found[0] if found else {}) if found is not None else value
    return inner if isinstance(inner, Mapping) else {}


def on(value: object) -> bool:
    """Whether a switch is on, also where it is written as text."""
    return value is True or value == "true"


def at(props: Mapping[str, Any], *path: str) -> Any:
    """The value at `path`, through blocks; None where there is none."""
    current: Any = props
    for part in path[:-1]:
        current = first(current.get(part))
    return current.get(path[-1])


def per_month(item: str, quantity: float = 1.0) -> Rate:
    """So many of `item` per resource."""
    return lambda _resource, _around: [Use(item=item, quantity=quantity)]


def per_hour(item: str) -> Rate:
    """One of `item` for every hour of the month."""
    return per_month(item, HOURS)


def metered(*found: str) -> Rate:
    """Nothing but use."""
    return lambda _resource, _around: [Metered(item=each) for each in found]


def unpriced(reason: str) -> Rate:
    """Something whose price is not established."""
    return lambda _resource, _around: [Gap(reason=reason)]


def together(*rates: Rate) -> Rate:
    """Several rates, one after the other."""
    return lambda resource, around: [term for rate in rates for term in rate(resource, around)]
