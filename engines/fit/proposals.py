"""What would make a model fit: changes of the question, ordered by how little they cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from engines.catalog import Gpu
from engines.fit import Ask
from engines.fit.memory import (
    COMMUNICATION_MIB,
    largest_batch,
    largest_sequence,
    not_established,
    problems,
)
from engines.precision import CACHE

COSTS = (
    "batch",
    "tokens",
    "cache",
    "sequence",
    "weights",
    "tp",
    "gpu",
)
"""What may change, the cheapest first: more waiting, slower reading of prompts, a little quality,
shorter answers, more quality, more GPUs, other GPUs."""

SHOWN = 5

EIGHT_BIT, FOUR_BIT = ("fp8", "fp8_block", "int8", "int8_sq"), ("w4a8_awq", "int4_awq", "nvfp4")

SMALLER = {"bf16": (*EIGHT_BIT, *FOUR_BIT), **dict.fromkeys(EIGHT_BIT, FOUR_BIT)}
"""Recipes that take less than another, in the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A question that fits, and what is different in it, in words."""

    ask: Ask
    changes: tuple[str, ...]


def proposals(ask: Ask, others: Iterable[Gpu] = (), *, most: int = 0) -> list[Proposal]:
    """The nearest questions that fit: single changes first, then pairs.

    `others` are GPUs that could be taken instead; `most` is how many one host has, 0 where that
    is not known.
    """

    def changed(before: Ask, name: str) -> list[Ask]:
        made = (each for each in _changed(before, name, tuple(others)) if each != before)
        return [each for each in made if not 0 < most < each.gpus]

    single = {name: changed(ask, name) for name in COSTS}
    alone = {
        name: [made for each in single[name] if (made := _proposal(ask, each)) is not None]
        for name in COSTS
    }
    found = [made for name in COSTS for made in alone[name]]
    if len(found) < SHOWN:
        # what is enough alone needs no second change
        rest = [name for name in COSTS if not alone[name]]
        found += [
            made
            for first, second in combinations(rest, 2)
            for each in single[first]
            for both in changed(each, second)
            if (made := _proposal(ask, both)) is not None
        ]
    return _one_of_each(found)[:SHOWN]


def _changed(ask: Ask, name: str, others: tuple[Gpu, ...]) -> Iterator[Ask]:
    """Changes of one kind, the smallest first."""
    match name:
        case "batch" | "sequence" if next(problems(ask), None) is not None:
            return
        case "batch":
            if 0 < (most := largest_batch(ask)) < ask.batch:
                yield replace(ask, batch=most)
        case "sequence":
            if 0 < (most := largest_sequence(ask)) < ask.sequence:
                yield replace(ask, sequence=most)
        case "tokens":
            yield from (replace(ask, tokens=each) for each in (4096, 2048) if each < ask.tokens)
        case "cache":
            smaller = [each for each in CACHE if CACHE[each] < CACHE[ask.cache]]
            yield from (replace(ask, cache=each) for each in smaller)
        case "weights":
            yield from (replace(ask, weights=each) for each in SMALLER.get(ask.weights, ()))
        case "tp":
            yield from (replace(ask, tp=each) for each in COMMUNICATION_MIB if each > ask.tp)
        case "gpu":
            larger = sorted(others, key=lambda gpu: gpu.memory)
            yield from (replace(ask, gpu=each) for each in larger if each != ask.gpu)


def _proposal(before: Ask, ask: Ask) -> Proposal | None:
    """A question that runs for certain and fits whole; None for any other."""
    if next(problems(ask), None) is not None or not_established(ask):
        return None
    if largest_batch(ask) < ask.batch:
        return None
    return Proposal(ask=ask, changes=tuple(_words(before, ask)))


def _words(before: Ask, after: Ask) -> Iterator[str]:
    for name in COSTS:
        old, new = getattr(before, name), getattr(after, name)
        if old == new:
            continue
        if name == "gpu":
            yield f"gpu: {old.name} → {new.name}"
        else:
            yield f"{name}: {old} → {new}"


def _one_of_each(found: Iterable[Proposal]) -> list[Proposal]:
    """The first of each kind of change: it is the smallest. No pair of what is enough alone."""
    kept: dict[frozenset[str], Proposal] = {}
    for each in found:
        kind = frozenset(word.partition(":")[0] for word in each.changes)
        if not any(other <= kind for other in kept):
            kept[kind] = each
    return list(kept.values())
