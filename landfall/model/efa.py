"""Which network interfaces an instance is launched with, with Elastic Fabric Adapters or without.

The layout is AWS's own recommendation (EC2 User Guide, "Maximize network bandwidth on Amazon EC2
instances with multiple network cards", read 2026-11-21): the primary interface carries IP traffic
and is never an EFA; each card that can gets an EFA without an IP address. Layouts that put an
`efa` at (0, 0) launch too, but waste an address on every card.

The number of EFAs is the service's `MaximumEfaInterfaces`, not its number of network cards: on
p6-b300.48xlarge card 0 takes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from landfall.model.catalog import InstanceType, instance_type, instance_types


class InterfaceType(StrEnum):
    """What an interface carries: IP (`interface`), both (`efa`), or fabric alone (`efa-only`)."""

    INTERFACE = "interface"
    EFA = "efa"
    EFA_ONLY = "efa-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterface:
    """One interface of an instance, by its network card and its place on that card."""

    network_card_index: int
    device_index: int
    interface_type: InterfaceType


PRIMARY = NetworkInterface(
    network_card_index=0, device_index=0, interface_type=InterfaceType.INTERFACE
)
"""What every instance has. AWS takes no efa-only interface here."""


def interfaces(name: str, *, efa: bool) -> tuple[NetworkInterface, ...]:
    """The interfaces that an instance of the type `name` is launched with.

    Args:
        name: a GPU instance type of the catalog.
        efa: with every EFA that the type takes, or with the primary interface alone.

    Raises:
        ValueError: the catalog does not have the type; or EFAs are asked for and it takes none
            (names those of its family that do), or how it takes them is not established.
    """
    kind = instance_type(name)
    return layout(kind) if efa else (PRIMARY,)


def layout(kind: InstanceType) -> tuple[NetworkInterface, ...]:
    """The primary interface and every EFA of `kind`; see `interfaces`."""
    if kind.efa == 0:
        raise ValueError(f"{kind.type} takes no EFA; {_instead(kind)}")
    if kind.network_cards is None or kind.efa_on_card_0 is None:
        raise ValueError(f"{kind.type}: on which cards it takes EFAs is not established")
    first = 0 if kind.efa_on_card_0 else 1
    if first + kind.efa > kind.network_cards:
        cards = f"{kind.network_cards} network cards"
        raise ValueError(f"{kind.type}: {kind.efa} EFAs from card {first} on do not fit {cards}")
    return (PRIMARY, *_fabric(range(first, first + kind.efa)))


def _fabric(cards: range) -> Iterator[NetworkInterface]:
    for card in cards:
        # On card 0 the first place is the primary interface's.
        place = 1 if card == 0 else 0
        yield NetworkInterface(
            network_card_index=card, device_index=place, interface_type=InterfaceType.EFA_ONLY
        )


def _instead(kind: InstanceType) -> str:
    able = [each.type for each in instance_types().values() if each.efa]
    near = [name for name in able if name.partition(".")[0] == kind.family]
    if near:
        return f"of its family {', '.join(near)} {'does' if len(near) == 1 else 'do'}"
    families = sorted({name.partition(".")[0] for name in able})
    return f"none of its family does; there are types that do in {', '.join(families)}"
