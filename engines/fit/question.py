"""From a spec to the question whether it fits, and back: problems by the paths of the spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from engines.catalog import Gpu
from engines.fit import Ask, Fit, gib
from engines.fit.memory import FRACTION
from engines.fit.proposals import Proposal
from engines.shape import Shape
from landfall.errors import Problem

if TYPE_CHECKING:
    from engines.spec import EngineSpec

TOKENS = 8192
"""That one step reads where a spec does not say: TensorRT-LLM's default of max_num_tokens."""

PATHS: Mapping[str, str] = {
    "weights": "precision",
    "cache": "kv_cache",
    "tp": "parallelism.tensor",
    "pp": "parallelism.pipeline",
    "batch": "limits.max_batch",
    "sequence": "limits.max_sequence",
    "tokens": "limits.max_tokens",
    "prompt": "limits.max_prompt",
    "fraction": "memory_fraction",
    "gpu": "target",
}
"""Where a spec has what the question calls by a shorter name."""


def ask(spec: EngineSpec, shape: Shape, gpu: Gpu) -> Ask:
    """The question that a spec asks of one kind of GPU."""
    uncounted = []
    if spec.draft is not None:
        uncounted.append("memory of the draft model and its cache, which is not counted")
    if spec.adapters:
        uncounted.append("memory of the adapters, which is not counted")
    return Ask(
        model=spec.model.path.rstrip("/").rpartition("/")[2] or spec.model.name,
        shape=shape,
        gpu=gpu,
        batch=spec.limits.max_batch,
        sequence=spec.limits.max_sequence,
        backend=spec.backend,
        mode=spec.mode,
        weights=spec.precision,
        cache=spec.kv_cache,
        tp=spec.parallelism.tensor,
        pp=spec.parallelism.pipeline,
        tokens=spec.limits.max_tokens or TOKENS,
        fraction=spec.memory_fraction or FRACTION[spec.backend],
        uncounted=tuple(uncounted),
    )


def in_spec(found: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a question, by the paths of its spec."""
    for each in found:
        yield Problem(path=PATHS.get(each.path, each.path), message=each.message)


def change(words: str) -> str:
    """A proposed change in the words of a spec."""
    name, colon, rest = words.partition(":")
    return f"{PATHS.get(name, name)}{colon}{rest}"


def missing(found: Fit, proposed: Iterable[Proposal]) -> str:
    """Why it does not fit, in a sentence, with the changes that would make it fit."""
    here = f"{gib(found.used)} of {gib(found.ask.gpu.memory)} before the cache"
    return f"does not fit {found.ask.gpu.name} ({here}): {found.binds}; {_would(proposed)}"


def waiting(found: Fit, proposed: Iterable[Proposal]) -> str:
    """That a part of the batch waits, in a sentence, with the changes that would make it fit."""
    told = f"{found.largest_batch} of {found.ask.batch} requests fit at full length, others wait"
    return f"{told}; {_would(proposed)}"


def _would(proposed: Iterable[Proposal]) -> str:
    told = [" and ".join(map(change, each.changes)) for each in proposed]
    if not told:
        return "no change of one or two things would make it fit; take other GPUs"
    return f"would fit: {'; or '.join(told)}"
