"""The key of an engine: a digest over everything that it depends on.

Two engines of one key are interchangeable; a part that differs is the reason for a rebuild. What
only steers serving (the served name, how many requests may wait, the longest answer) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engines import backends, catalog, checkpoint, digest
from engines.backends import Step
from engines.facts import Facts
from engines.source import (
    CONFIG,
    EVALUATION,
    EVALUATION_ARRAYS,
    EVALUATION_TOKENS,
    GRAPH,
    PARTS,
    TOKENIZER,
    ModelSource,
)
from engines.spec import EngineSpec
from engines.target import CPU, Target

FORMAT = "1"
"""Version of the engine folder; a change makes every engine be built again."""

UNKNOWN = "unknown"

Parts = dict[str, str]


def parts(
    spec: EngineSpec,
    source: ModelSource,
    facts: Facts,
    target: Target = CPU,
    steps: Iterable[Step] = (),
) -> Parts:
    """Everything that an engine depends on, by name, as text.

    `steps` are the commands of a build in a container; they are a part of the key.
    """
    backend = backends.find(spec.backend)
    version = spec.version or facts.packages.get(backend.PACKAGE, "")
    return {
        "format": FORMAT,
        "kind": spec.kind,
        **files(source, spec.chat_template),
        "precision": spec.precision,
        "max_batch": str(spec.limits.max_batch),
        "max_sequence": str(spec.limits.max_sequence),
        "gates": digest.canonical(spec.gates.model_dump(mode="json", exclude_none=True)).decode(),
        "classification": spec.classification.value,
        "training_data": source.data_digest,
        "backend": f"{spec.backend} {version}",
        "quantiser": backend.quantiser(spec.precision, version),
        "target": facts.isa_class if target.gpu is None else target.name,
        **(dict(_contained(spec, source, target, steps)) if backend.CONTAINED else {}),
    }


def files(source: ModelSource, template: str = "") -> Parts:
    """The parts of a key that a model's files make up."""
    if source.form == "graph":
        return {part: source.files[file] for part, file in PARTS.items()}
    if source.form in {"onnx", "encoder"}:
        return _of_onnx(source)
    weights = [name for name in source.files if name.endswith(".safetensors")]
    groups = {
        "weights": [*weights, checkpoint.INDEX, checkpoint.QUANTISATION],
        "config": [CONFIG],
        "tokenizer": checkpoint.TOKENIZER,
        "chat_template": [template] if template else checkpoint.TEMPLATES,
        "generation": [checkpoint.GENERATION],
    }
    if checkpoint.EVALUATION in source.files:  # a model without it has the key that it had
        groups["evaluation"] = [checkpoint.EVALUATION]
    return {part: _of_files(source, names) for part, names in groups.items()}


def of(parts: Parts) -> str:
    """The key of an engine with these parts: 64 hexadecimal digits."""
    return digest.of_value(parts)


def of_steps(steps: Iterable[Step]) -> str:
    """The digest of the commands of a build."""
    return digest.of_value(
        [[step.action, list(step.argv), dict(step.environment)] for step in steps]
    )


def difference(old: Parts, new: Parts) -> dict[str, tuple[str, str]]:
    """The parts that differ, with both values; empty text where one side lacks the part."""
    names = sorted({*old, *new})
    return {
        name: (old.get(name, ""), new.get(name, ""))
        for name in names
        if old.get(name) != new.get(name)
    }


def _of_onnx(source: ModelSource) -> Parts:
    """The graph, what serving needs beside it, the gate's inputs; weights that lie outside."""
    evaluation = (EVALUATION, EVALUATION_TOKENS, EVALUATION_ARRAYS)
    named = {GRAPH: "graph", CONFIG: "config", TOKENIZER: "tokenizer"}
    named |= dict.fromkeys(evaluation, "evaluation")
    found = {part: source.files[name] for name, part in named.items() if name in source.files}
    outside = [name for name in source.files if name not in named]
    return found | ({"weights": _of_files(source, outside)} if outside else {})


def _of_files(source: ModelSource, names: Iterable[str]) -> str:
    """One digest of the files among `names` that are there; empty where none is."""
    there = {name: source.files[name] for name in names if name in source.files}
    return digest.of_value(there) if there else ""


def _contained(
    spec: EngineSpec, source: ModelSource, target: Target, steps: Iterable[Step]
) -> Iterator[tuple[str, str]]:
    """What an engine depends on besides, where a container makes it for a GPU."""
    gpu = target.gpu
    yield "mode", spec.mode
    yield "container", spec.container or UNKNOWN
    yield "cuda", catalog.software(spec.backend, spec.version).get("cuda", UNKNOWN)
    yield "compute_capability", gpu.compute_capability if gpu else UNKNOWN
    yield "kv_cache", spec.kv_cache
    yield "tensor", str(spec.parallelism.tensor)
    yield "pipeline", str(spec.parallelism.pipeline)
    yield "max_prompt", str(spec.limits.prompt)
    yield "max_tokens", str(spec.limits.max_tokens or "")
    yield "timing_cache", spec.timing_cache or ""
    yield "settings", digest.canonical(spec.generation.model_dump(exclude_none=True)).decode()
    beside = {
        "draft": spec.draft.model_dump() if spec.draft else None,
        "adapters": [each.model_dump() for each in spec.adapters],
        "digests": source.beside,
    }
    yield "beside", digest.canonical(beside).decode()
    yield "commands", of_steps(steps)
