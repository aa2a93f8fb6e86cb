"""A fit in words, as a table's rows, and as a picture of memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from engines.fit import GIB, Fit, gib
from engines.fit.estimate import Estimate
from engines.fit.proposals import Proposal
from landfall import render

TEMPLATE = "engines/memory.svg.j2"
WIDTH = 720
"""Of the bar, in the picture's own units."""

COLOURS = {
    "weights": "#40608a",
    "activations": "#c27c3e",
    "communication": "#8a6fb0",
    "reserve": "#9aa5b1",
    "cache": "#4f9d69",
    "free": "#ffffff",
    "missing": "#c0392b",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the bar."""

    name: str
    size: int
    colour: str
    left: float
    width: float
    told: str


def rows(found: Fit) -> Iterator[tuple[str, str, str]]:
    """Every item: name, size, and how it is known."""
    ask = found.ask
    for item in found.items:
        yield item.name, gib(item.size), item.why
    yield "used before the cache", gib(found.used), ""
    rule = "of all memory, all included" if ask.backend == "vllm" else "of what is then free"
    if found.pool > 0:
        yield "cache", gib(found.pool), f"{ask.fraction:g} {rule}"
    else:
        yield "missing", gib(-found.pool), "before there is any cache"
    visible = "as the driver shows it" if ask.gpu.memory_mib else "as the maker gives it"
    yield "memory of the GPU", gib(ask.gpu.memory), visible


def sentences(found: Fit) -> Iterator[str]:
    """The answer for people, in order of importance."""
    ask = found.ask
    many = f"{ask.gpus} of {ask.gpu.name}" if ask.gpus > 1 else ask.gpu.name
    yield f"{ask.model} on {many} in {ask.weights}, cache in {ask.cache}: {found.verdict}."
    yield f"What binds: {found.binds}."
    if found.largest_batch:
        each = f"one of {ask.sequence:,} tokens takes {gib(found.per_sequence)}"
        yield f"The cache holds {found.largest_batch:,} sequences at full length ({each})."
    if found.largest_sequence:
        yield f"{ask.batch} at a time may have {found.largest_sequence:,} tokens each."
    yield from (f"Not established: {each}." for each in found.open)


def speed(told: Estimate) -> str:
    """An estimate in one sentence, with its error."""
    band = f"{told.low:,.0f} to {told.high:,.0f}"
    how = "" if told.calibrated else ", uncalibrated: no throughput of this GPU was published"
    return (
        f"Full load: about {told.tokens_per_s:,.0f} tokens/s ({band}{how}) with "
        f"{told.batch:,} at a time, {told.per_token_s * 1000:.0f} ms between tokens; alone, the "
        f"first token after {told.first_token_s * 1000:.0f} ms."
    )


def parts(found: Fit) -> list[Part]:
    """The bar from left to right: what is used, the cache, what stays free."""
    total = max(found.ask.gpu.memory, found.used)
    sizes: dict[str, int] = {}
    for item in found.items:
        name = item.name.partition(":")[0]
        sizes[name] = sizes.get(name, 0) + item.size
    if found.pool > 0:
        sizes["cache"] = found.pool
        sizes["free"] = found.ask.gpu.memory - found.used - found.pool
    made, left = [], 0.0
    for name, size in sizes.items():
        width = WIDTH * size / total
        told = f"{name} {gib(size)}"
        made.append(
            Part(
                name=name,
                size=size,
                colour=COLOURS[name],
                left=round(left, 1),
                width=round(width, 1),
                told=told,
            )
        )
        left += width
    return made


def picture(found: Fit) -> str:
    """A picture of one GPU's memory, as SVG."""
    total = max(found.ask.gpu.memory, found.used)
    return render.render(
        TEMPLATE,
        {
            "parts": parts(found),
            "title": next(sentences(found)),
            "width": WIDTH,
            "end": round(WIDTH * found.ask.gpu.memory / total, 1),
            "memory": f"{found.ask.gpu.memory / GIB:.1f} GiB",
        },
    )


def as_json(found: Fit, told: Estimate | None, near: list[Proposal]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "model": found.ask.model,
        "gpu": found.ask.gpu.name,
        "gpus": found.ask.gpus,
        "verdict": found.verdict.name.lower(),
        "binds": found.binds,
        "items": [asdict(item) for item in found.items],
        "pool": found.pool,
        "blocks": found.blocks,
        "largest_batch": found.largest_batch,
        "largest_sequence": found.largest_sequence,
        "not_established": list(found.open),
        "estimate": asdict(told) if told else None,
        "proposals": [list(each.changes) for each in near],
    }
