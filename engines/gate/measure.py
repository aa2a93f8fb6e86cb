"""Every gate of an engine, by its kind: what was measured, or why it is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines import gate
from engines.backends import Backend
from engines.encoder import Encoder
from engines.gate import arrays, determinism, embedding, graph, latency, response, texts
from engines.graph import encoded
from engines.load import whole
from engines.manifest import Outcome, Speed
from engines.plan import Plan
from engines.quality import Difference, Quality
from engines.source import EVALUATION_ARRAYS

THREADS = 1
"""Threads per engine while it is measured; hosts scale by processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an engine reached. `speed` is of generated tokens, so None where there are none."""

    quality: Quality
    outcomes: tuple[Outcome, ...]
    speed: Speed | None = None


def measure(plan: Plan, backend: Backend, model: Path, folder: Path) -> Measured:
    """Measure quality and determinism of the engine in `folder` beside its float32 model.

    Raises:
        GateFailed: a bound was missed; says which.
        InvalidInput: there is nothing to measure it on.
    """
    return BY_KIND[plan.kind](plan, backend, model, folder)


def under_load(plan: Plan, model: Path, folder: Path, backend: Backend) -> Outcome | None:
    """Serve the engine in `folder`, with its manifest, under the load of its spec; None without.

    Raises:
        GateFailed: a bound was missed, or a request failed.
    """
    if plan.gates.latency is not None:
        return latency.measure(plan.gates.latency, plan.engine, folder, model)
    if plan.gates.response is None:
        return None
    if plan.kind == "embedding":
        _, rows = texts.texts(model, room=plan.room)
        path, bodies = whole.EMBEDDINGS, [whole.embedding(plan.engine, each) for each in rows]
    else:
        found, _ = arrays.cases(model, backend.open_graph(folder, threads=THREADS).inputs)
        path = whole.infer(plan.engine)
        bodies = [
            json.dumps({"inputs": [encoded(name, each) for name, each in case.items()]})
            for case in found
        ]
    return response.measure(plan.gates.response, plan.engine, folder, path=path, bodies=bodies)


def _text(plan: Plan, backend: Backend, model: Path, folder: Path) -> Measured:
    assert plan.gates.quality is not None  # the spec of this kind has it
    rows = gate.held_out(model, room=plan.room)
    gate.check_reading(rows, gate.held_out(model, room=plan.room, read_by=folder))
    reference = backend.open(model, slots=1, room=plan.room, threads=THREADS)
    before = gate.perplexity(reference, rows)
    del reference  # two models at a time are only needed here
    engine = backend.open(folder, slots=1, room=plan.room, threads=THREADS)
    after = gate.perplexity(engine, rows)
    quality = gate.judge(plan.gates.quality, reference=before, engine=after)
    same = determinism.measure(engine, rows)
    speed = gate.speed(engine, np.asarray(rows[0]))
    return Measured(quality=quality, outcomes=(gate.outcome(quality), same), speed=speed)


def _embedding(plan: Plan, backend: Backend, model: Path, folder: Path) -> Measured:
    assert plan.gates.embedding is not None  # the spec of this kind has it
    data, rows = texts.texts(model, room=plan.room)
    _, again = texts.texts(model, room=plan.room, read_by=folder)
    gate.check_reading(list(map(np.array, rows)), list(map(np.array, again)))
    reference = Encoder(backend.open_graph(model, threads=THREADS), batch=plan.slots)
    before = reference.vectors(rows)
    del reference
    engine = Encoder(backend.open_graph(folder, threads=THREADS), batch=plan.slots)
    bounds = plan.gates.embedding
    quality = embedding.judge(bounds, data, reference=before, engine=engine.vectors(rows))
    same = embedding.determinism(engine, rows, bounds)
    return Measured(quality=quality, outcomes=(gate.outcome(quality), same))


def _graph(plan: Plan, backend: Backend, model: Path, folder: Path) -> Measured:
    assert plan.gates.graph is not None  # the spec of this kind has it
    reference = backend.open_graph(model, threads=THREADS)
    cases, travelled = arrays.cases(model, reference.inputs)
    before = graph.run(reference, cases, travelled=travelled)
    del reference
    engine = backend.open_graph(folder, threads=THREADS)
    after = graph.run(engine, cases, travelled=travelled)
    names = [each.name for each in engine.outputs]
    found = graph.compare(names, reference=before, engine=after)
    graph.judge(plan.gates.graph, found)
    quality = Difference(
        data=EVALUATION_ARRAYS if travelled else "",
        seed=None if travelled else arrays.SEED,
        cases=len(cases),
        outputs=found,
        **plan.gates.graph.model_dump(),
    )
    same = graph.determinism(engine, cases, after)
    return Measured(quality=quality, outcomes=(gate.outcome(quality, quality.told), same))


Measure = Callable[[Plan, Backend, Path, Path], Measured]

BY_KIND: dict[str, Measure] = {
    "text_generation": _text,
    "embedding": _embedding,
    "onnx_graph": _graph,
}
"""How each kind is measured."""
