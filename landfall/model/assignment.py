"""Which GPUs of a host each engine gets: a pure function of what is released and what the host is.

Two engines never share a GPU unless both say that they may. An engine that runs keeps its GPUs: a
new release moves nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landfall.model.gpu import full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One GPU. `node` is the processor that it hangs on; `split`: by MIG, so nobody gets it whole.

    `index` counts the host's GPUs in the order of its file, which is that of nvidia-smi.
    """

    index: int
    model: str
    node: int | None = None
    split: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An engine that needs `count` GPUs of one model.

    Attributes:
        key: of the engine.
        told: how messages call it.
        sharing: whether it may share GPUs with others that may.
    """

    key: str
    told: str
    model: str
    count: int = 1
    sharing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """GPUs by the key of their engine, and why others got none."""

    given: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def devices(gpus: Sequence[Mapping[str, Any]]) -> tuple[Device, ...]:
    """The GPUs of a host (landfall.model.host.Gpu, as plain data), one by one."""
    found: list[Device] = []
    for gpu in gpus:
        nodes = list(gpu.get("numa_nodes") or ())
        for number in range(gpu["count"]):
            found.append(
                Device(
                    index=len(found),
                    model=full_name(gpu["model"]),
                    node=nodes[number] if number < len(nodes) else None,
                    split=bool(gpu.get("mig")),
                )
            )
    return tuple(found)


def nodes_of(indices: Iterable[int], here: Sequence[Device]) -> tuple[int, ...]:
    """The processors that these GPUs hang on; none where the host's file does not say."""
    found = [each.node for each in here if each.index in set(indices)]
    return tuple(sorted({node for node in found if node is not None})) if None not in found else ()


def assign(
    wanted: Sequence[Wanted], here: Sequence[Device], held: Mapping[str, Sequence[int]]
) -> Assignment:
    """Give each engine its GPUs.

    Args:
        wanted: in the order in which they are served: a proven engine before its canary.
        here: the GPUs of the host.
        held: what engines that run there hold, by key; also those that are not wanted any more,
            because they answer until requests go elsewhere.
    """
    by_key = {each.key: each for each in wanted}
    given: dict[str, tuple[int, ...]] = {}
    for each in wanted:
        before = tuple(sorted(set(held.get(each.key, ()))))
        if len(before) == each.count and set(before) <= _open(each, here, given, by_key):
            given[each.key] = before
    taken = {key: tuple(held[key]) for key in held if key not in by_key} | given
    refused = []
    # The widest first: what is left over fits the narrow ones.
    for each in sorted(wanted, key=lambda one: -one.count):
        if each.key in given:
            continue
        chosen = _choose(each, here, _open(each, here, taken, by_key), taken)
        if chosen:
            given[each.key] = taken[each.key] = chosen
        else:
            refused.append(_why(each, here, taken, by_key))
    return Assignment(given=given, refused=tuple(refused))


def _open(
    wanted: Wanted,
    here: Sequence[Device],
    taken: Mapping[str, tuple[int, ...]],
    by_key: Mapping[str, Wanted],
) -> set[int]:
    """The GPUs that an engine may have, with what others have already."""
    closed = {
        index
        for key, indices in taken.items()
        if not (wanted.sharing and key in by_key and by_key[key].sharing)
        for index in indices
    }
    fitting = {each.index for each in here if each.model == wanted.model and not each.split}
    return fitting - closed


def _choose(
    wanted: Wanted,
    here: Sequence[Device],
    free: set[int],
    taken: Mapping[str, tuple[int, ...]],
) -> tuple[int, ...]:
    """Of the GPUs that it may have: those that nobody has, on as few processors as can be."""
    used = {index for indices in taken.values() for index in indices}
    alone = [each for each in here if each.index in free - used]
    pool = alone if len(alone) >= wanted.count else [each for each in here if each.index in free]
    if len(pool) < wanted.count:
        return ()
    sides: dict[int | None, list[int]] = {}
    for each in pool:
        sides.setdefault(each.node, []).append(each.index)
    enough = [side for side in sides.values() if len(side) >= wanted.count]
    # The side that is used up best leaves the other whole for an engine that needs more.
    side = min(enough, key=lambda one: (len(one), one)) if enough else [one.index for one in pool]
    return tuple(sorted(side)[: wanted.count])


def _why(
    wanted: Wanted,
    here: Sequence[Device],
    taken: Mapping[str, tuple[int, ...]],
    by_key: Mapping[str, Wanted],
) -> str:
    fitting = [each for each in here if each.model == wanted.model]
    if not fitting:
        models = sorted({each.model for each in here})
        return (
            f"{wanted.told}: built for {wanted.model}; this host has {', '.join(models) or 'none'}"
        )
    whose: dict[int, list[str]] = {}
    for key, indices in sorted(taken.items()):
        told = by_key[key].told if key in by_key else f"{key}, which runs until it is retired"
        for index in set(indices):
            whose.setdefault(index, []).append(told)
    states = [
        f"GPU {each.index} "
        + (
            "is split by MIG"
            if each.split
            else f"has {', '.join(whose.get(each.index, ['nobody']))}"
        )
        for each in fitting
    ]
    return (
        f"{wanted.told}: needs {wanted.count} of {wanted.model}; this host has {len(fitting)}: "
        + "; ".join(states)
    )
