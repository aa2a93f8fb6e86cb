"""The arithmetic of a fit: pure functions of a question."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from math import ceil

from engines import catalog
from engines.fit import GIB, MIB, Ask, Fit, Item, Verdict
from engines.precision import CACHE, SIXTEEN_BIT, WEIGHTS
from engines.shape import Group, Shape
from landfall.errors import InvalidInput, Problem

ACTIVATIONS = {
    "llama": {1: 11.0, 2: 6.5, 4: 4.0, 8: 5.0},
    "experts": {1: 22.0, 2: 13.0, 4: 10.0, 8: 10.0},
    "others": {1: 10.0, 2: 6.0, 4: 5.0, 8: 5.0},
}
"""Bytes of activations are 2 * tokens * heads * head_dim times this, by the GPUs that share a
layer: measured by ai-dynamo/aiconfigurator @095f58a5, on A100, L40S, H100, H200 and B200."""

COMMUNICATION_MIB = {1: 0, 2: 342, 4: 392, 8: 392}
"""NCCL's buffers; the same source."""

RESERVE = 3.5
"""GiB for CUDA, libraries, graphs and fragments; the same source keeps it free for safety."""

RESERVE_VLLM = 0.1
"""GiB outside PyTorch in vLLM's log of its thread 12330; the share that it does not take is a
reserve of its own."""

BLOCK_TOKENS = {"tensorrt_llm": 32, "vllm": 16}
"""Tokens in a block of the cache: TensorRT-LLM 1.x (plugin.py, llm_args.py: tokens_per_block),
vLLM 0.33.0 (config/cache.py: DEFAULT_BLOCK_SIZE)."""

FRACTION = {"tensorrt_llm": 0.9, "vllm": 0.92}
"""Of memory, as each means it: TensorRT-LLM's free_gpu_memory_fraction, vLLM 0.33.0's
gpu_memory_utilization (config/cache.py)."""


ENDS = ("embedding", "output")
"""What is not in a layer."""
WHOLE = ("embedding", "norms and biases", "routers")
"""What each GPU has whole: the embedding is looked up, unless a recipe splits it."""


@lru_cache(maxsize=1024)
def fit(ask: Ask) -> Fit:
    """Whether it fits, with every item.

    Raises:
        InvalidInput: it cannot run at all, whatever the memory; all reasons at once.
    """
    opened = _check(ask)
    items = (*_weights(ask), *_others(ask))
    pool = _pool(ask, sum(item.size for item in items))
    one = sequence_size(ask, ask.sequence)
    batch = max(0, pool) // one
    return Fit(
        ask=ask,
        items=items,
        pool=pool,
        block_tokens=BLOCK_TOKENS[ask.backend],
        per_sequence=one,
        per_token=_per_token(ask),
        largest_batch=batch,
        largest_sequence=_longest(ask, pool),
        verdict=_verdict(ask, batch),
        binds=_binds(ask, pool, batch),
        open=tuple(opened),
    )


def _room(ask: Ask) -> int:
    """What is left for the cache, without a word about any item."""
    weights = sum(size for _, _, size in _shares(ask))
    return _pool(ask, weights + sum(item.size for item in _others(ask)))


def largest_batch(ask: Ask) -> int:
    """How many sequences of full length fit; `problems` has found nothing."""
    return max(0, _room(ask)) // sequence_size(ask, ask.sequence)


def largest_sequence(ask: Ask) -> int:
    """The longest sequence of which the asked batch fits; `problems` has found nothing."""
    return _longest(ask, _room(ask))


def _verdict(ask: Ask, batch: int) -> Verdict:
    if batch >= ask.batch:
        return Verdict.FITS
    return Verdict.WAITS if batch else Verdict.NOT


def problems(ask: Ask) -> Iterator[Problem]:
    """Why it cannot run at all."""
    shape = ask.shape
    for kind, name in (("weights", ask.weights), ("cache", ask.cache)):
        told = catalog.supported(ask.backend, ask.mode, kind, name, ask.gpu)
        if told.answer is False:
            yield Problem(path=kind, message=f"{told.why}; {_instead(ask, kind)}")
    if ask.tp not in COMMUNICATION_MIB:
        known = ", ".join(map(str, COMMUNICATION_MIB))
        yield Problem(path="tp", message=f"{ask.tp} GPUs cannot share a layer; {known} can")
    elif shape.heads % ask.tp:
        message = f"{shape.heads} heads do not divide by {ask.tp}; {_divisors(shape)} would do"
        yield Problem(path="tp", message=message)
    elif shape.latent is None and shape.kv_heads % ask.tp and ask.tp % shape.kv_heads:
        yield Problem(
            path="tp",
            message=f"{shape.kv_heads} heads of keys and values do not divide by {ask.tp}; "
            f"{_divisors(shape)} would do",
        )
    if not 1 <= ask.pp <= shape.layers:
        yield Problem(path="pp", message=f"1 to {shape.layers} groups, not {ask.pp}")
    if ask.sequence > shape.context:
        message = f"{ask.model} reads at most {shape.context} tokens, not {ask.sequence}"
        yield Problem(path="sequence", message=message)
    for name in ("batch", "sequence", "tokens"):
        if getattr(ask, name) < 1:
            yield Problem(path=name, message=f"must be at least 1, not {getattr(ask, name)}")
    if not 0 < ask.fraction < 1:
        yield Problem(path="fraction", message=f"above 0 and below 1, not {ask.fraction}")


def _instead(ask: Ask, kind: str) -> str:
    known = ", ".join(catalog.runs(ask.backend, ask.mode, kind, ask.gpu))
    return f"{ask.gpu.name} runs {known or 'none'}"


def _divisors(shape: Shape) -> str:
    """How many GPUs can share a layer."""
    kv = shape.heads if shape.latent else shape.kv_heads
    fits = [tp for tp in COMMUNICATION_MIB if not shape.heads % tp and not (kv % tp and tp % kv)]
    return ", ".join(map(str, fits))


def _check(ask: Ask) -> list[str]:
    """What was not established; refuses what cannot be."""
    wrong = list(problems(ask))
    if wrong:
        raise InvalidInput(f"{ask.model} on {ask.gpu.name}", wrong)
    unknown = [f"{ask.gpu.name}: {each}" for each in ask.gpu.not_established]
    return [*not_established(ask), *unknown, *ask.uncounted]


def not_established(ask: Ask) -> list[str]:
    """Of weights and cache, what nobody is known to have run on this GPU, in words."""
    found = [
        f"{name} {kind}: {told.why}"
        for kind, name in (("weights", ask.weights), ("cache", ask.cache))
        if (told := catalog.supported(ask.backend, ask.mode, kind, name, ask.gpu)).answer is None
    ]
    family = ask.shape.family
    if not catalog.listed(ask.backend, ask.mode, family, ask.weights):
        where = f"{ask.backend} in mode {ask.mode}"
        found.append(f"{ask.weights} weights of {family}: the table of {where} does not list them")
    return found


def _layers(ask: Ask) -> int:
    """Of the group that has most."""
    return ceil(ask.shape.layers / ask.pp)


def _weights(ask: Ask) -> Iterator[Item]:
    """Of the GPU that carries most: the first group has the embedding, the last the output."""
    for group, quantised, size in _shares(ask):
        bits = ask.weights if quantised else "16 bit"
        why = f"{_count(group)} at {bits}{_split(ask, whole=group.name in WHOLE)}"
        yield Item(name=f"weights: {group.name}", size=size, why=why)


def _shares(ask: Ask) -> list[tuple[Group, bool, int]]:
    """Each group, whether the recipe touches it, and its bytes on the GPU that carries most."""
    here, layers = _layers(ask), ask.shape.layers
    found = []
    for group in ask.shape.groups():
        quantised, size = _group(ask, group)
        size = size if group.name in ENDS else -(-size * here // layers)
        size = size if group.name in WHOLE else -(-size // ask.tp)
        found.append((group, quantised, size))
    if ask.pp > 1 and any(group.name == "output" for group, _, _ in found):
        # Two groups carry one each; the larger counts.
        ends = [each for each in found if each[0].name in ENDS]
        found.remove(min(ends, key=lambda each: each[2]))
    return found


def _group(ask: Ask, group: Group) -> tuple[bool, int]:
    """Whether the recipe touches a group, and the bytes of the whole of it."""
    recipe = WEIGHTS[ask.weights]
    quantised = group.quantised and (not recipe.experts_only or "experts" in group.name)
    return quantised, recipe.of(group.parameters) if quantised else group.parameters * SIXTEEN_BIT


def weight_bytes(ask: Ask) -> int:
    """Of all weights in the asked recipe, on all GPUs together: about the size of an engine."""
    return sum(_group(ask, group)[1] for group in ask.shape.groups())


def _count(group: Group) -> str:
    return f"{group.parameters:,} parameters"


def _split(ask: Ask, *, whole: bool) -> str:
    words = [] if whole or ask.tp == 1 else [f"a share of one in {ask.tp}"]
    words += [f"{_layers(ask)} of {ask.shape.layers} layers"] if ask.pp > 1 else []
    return "".join(f", {each}" for each in words)


def _others(ask: Ask) -> Iterator[Item]:
    shape = ask.shape
    kind = "experts" if shape.experts else "llama" if shape.family == "llama" else "others"
    factor = ACTIVATIONS[kind][ask.tp]
    width = shape.heads * shape.head_dim
    yield Item(
        name="activations",
        size=int(2 * ask.tokens * width * factor),
        why=f"2 * {ask.tokens} tokens * {width} * {factor:g}, measured for {kind} at tp {ask.tp}",
    )
    if ask.tp > 1:
        size = COMMUNICATION_MIB[ask.tp] * MIB
        yield Item(name="communication", size=size, why=f"NCCL's buffers at tp {ask.tp}")
    reserve = RESERVE_VLLM if ask.backend == "vllm" else RESERVE
    why = "CUDA, libraries, graphs, fragments"
    yield Item(name="reserve", size=int(reserve * GIB), why=why)


def _pool(ask: Ask, used: int) -> int:
    """What the backend gives to the cache.

    TensorRT-LLM takes its fraction of what is free after everything else (legacy/reference/
    memory.md; pyexecutor/_util.py). vLLM's fraction is of all memory, everything included.
    """
    if ask.backend == "vllm":
        return int(ask.gpu.memory * ask.fraction) - used
    free = ask.gpu.memory - used
    return int(free * ask.fraction) if free > 0 else free


def _per_token(ask: Ask) -> int:
    """Of one more token that every layer of the group keeps."""
    kept = _layers(ask) * ask.shape.kept_per_layer(ask.tp)
    return ceil(kept * CACHE[ask.cache])


def sequence_size(ask: Ask, tokens: int) -> int:
    """Bytes of the cache that one sequence takes: whole blocks, layers with a window up to it."""
    kept = ask.shape.kept(tokens, block=BLOCK_TOKENS[ask.backend], tp=ask.tp)
    size = CACHE[ask.cache]
    return -(-kept * _layers(ask) * size.numerator // (ask.shape.layers * size.denominator))


def _longest(ask: Ask, pool: int) -> int:
    """The longest sequence of which the asked batch fits; size only grows, block by block."""
    block, context = BLOCK_TOKENS[ask.backend], ask.shape.context
    counts = range(ceil(context / block) + 1)
    room = pool // ask.batch
    held = bisect_right(counts, room, key=lambda each: sequence_size(ask, each * block)) - 1
    return min(context, max(0, held) * block)


def _binds(ask: Ask, pool: int, batch: int) -> str:
    if pool <= 0:
        return "the weights and what they need leave nothing for the cache"
    if not batch:
        return "the cache is smaller than one sequence"
    if batch < ask.batch:
        return "the cache"
    return "nothing: memory is left"


def shape_of(name: str) -> Shape:
    """The shape of a model of the catalog.

    Raises:
        InvalidInput: it is not in the catalog.
    """
    known = catalog.models()
    if name not in known:
        message = f"no model {name}; there are {', '.join(known)}"
        raise InvalidInput("model", [Problem(path="", message=message)])
    return known[name].shape
