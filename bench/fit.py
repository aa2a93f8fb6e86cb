"""How long a fit and a plan take, and how near a fit comes to what was published.

Times are of the processor: one thread computes and nothing is waited for, so who else uses the
machine does not count.
"""

from __future__ import annotations

import time
from dataclasses import replace

from bench.figure import Figure
from engines import catalog, facts, plan, source
from engines.facts import Facts
from engines.fit import GIB, MIB, Ask, Fit
from engines.fit.estimate import error
from engines.fit.memory import fit, problems, shape_of
from engines.fit.proposals import proposals
from engines.source import ModelSource
from engines.spec import EngineSpec
from engines.target import Target, anywhere
from landfall.errors import InvalidInput
from landfall.model.classification import Classification

GOAL_ONE_MS, GOAL_ALL_S = 5.0, 5.0
SPECS, GPUS = 1000, 7
ROWS = "28 published numbers of four GPUs"


def measure() -> list[Figure]:
    """Time of one and of many; errors of pool, blocks, activations and speed."""
    return [*_times(), *_plans(), *_errors()]


def _ask(model: str, gpu: str, **changed: object) -> Ask:
    usual = Ask(
        model=model, shape=shape_of(model), gpu=catalog.gpus()[gpu], batch=16, sequence=2048
    )
    return replace(usual, **changed)  # type: ignore[arg-type]  # names of Ask's own fields


def _times() -> list[Figure]:
    asked = _ask("llama-3.1-8b", "L40S", batch=64, sequence=8192)
    fit(asked)
    others = [replace(asked, batch=65 + n) for n in range(100)]  # a fit is remembered
    began = time.process_time()
    for each in others:
        fit(each)
    one = (time.process_time() - began) / 100 * 1e3
    began = time.process_time()
    near = proposals(asked, list(catalog.gpus().values()))
    with_proposals = (time.process_time() - began) * 1e3
    models = list(catalog.models())
    gpus = list(catalog.gpus().values())[:GPUS]
    asks = [_ask(models[n % len(models)], "L40S", batch=1 + n) for n in range(SPECS)]
    began = time.process_time()
    fitted = sum(_runs(replace(each, gpu=gpu)) for each in asks for gpu in gpus)
    every = time.process_time() - began
    return [
        _figure("fit: one", one, "ms", GOAL_ONE_MS, "the largest batch and context, too"),
        _figure("fit: one with proposals", with_proposals, "ms", None, f"{len(near)} proposals"),
        _figure(
            f"fit: {SPECS} models on {GPUS} GPUs",
            every,
            "s",
            GOAL_ALL_S,
            f"{fitted} of {SPECS * GPUS} can run at all",
        ),
    ]


PRECISIONS = ("bf16", "fp8", "int4_awq", "int4_gptq", "w4a8_awq")


def _plans() -> list[Figure]:
    """From a parsed spec to a whole plan, key and commands included; no file is read."""
    models = list(catalog.models())
    specs = [_spec(models[n % len(models)], n) for n in range(SPECS)]
    targets = anywhere(list(catalog.gpus()))[:GPUS]
    host = facts.read()
    sources = {name: source.planned(name, shape_of(name), Classification.PUBLIC) for name in models}
    _planned(specs[0], sources[models[0]], host, targets[0])
    began = time.process_time()
    for _ in range(100):
        _planned(specs[1], sources[models[1]], host, targets[2])
    one = (time.process_time() - began) / 100 * 1e3
    began = time.process_time()
    fitted = sum(
        _planned(each, sources[models[n % len(models)]], host, target)
        for n, each in enumerate(specs)
        for target in targets
    )
    every = time.process_time() - began
    detail = f"{fitted} of {SPECS * GPUS} fit; the others are told why, and what would"
    return [
        _figure("plan: one spec", one, "ms", GOAL_ONE_MS, "fit, speed, commands and key"),
        _figure(f"plan: {SPECS} specs for {GPUS} GPUs", every, "s", GOAL_ALL_S, detail),
    ]


def _spec(model: str, number: int) -> EngineSpec:
    return EngineSpec.model_validate(
        {
            "name": f"engine-{number}",
            "model": {"huggingface": f"models/{model}", "classification": "public"},
            "backend": "tensorrt_llm",
            "version": "1.2.1",
            "target": "L40S",
            "precision": PRECISIONS[number % len(PRECISIONS)],
            "classification": "internal",
            "limits": {"max_batch": 1 + number % 64, "max_sequence": 2048},
        }
    )


def _planned(spec: EngineSpec, model: ModelSource, host: Facts, target: Target) -> bool:
    try:
        plan.plan(spec, model, host, target)
    except InvalidInput:
        return False
    return True


def _figure(name: str, value: float, unit: str, goal: float | None, detail: str) -> Figure:
    return Figure(name=name, value=value, unit=unit, goal=goal, detail=detail)


def _runs(ask: Ask) -> bool:
    if next(problems(ask), None) is not None:
        return False
    fit(ask)
    return True


def _errors() -> list[Figure]:
    log = fit(
        _ask("llama-7b", "H100 SXM", mode="engine", weights="fp8", cache="fp8", sequence=2048)
    )
    pool = 70.48 * GIB * 0.9
    blocks = pool // (log.per_token * 64)
    median, largest = error()
    return [
        _percent("fit: pool against TensorRT-LLM's log", pool / GIB, 63.44, 1.0),
        _percent("fit: blocks against TensorRT-LLM's log", blocks, 4060, 1.0),
        _percent("fit: weights against TensorRT-LLM's log", _of(log, "weights") / MIB, 6695),
        _percent(
            "fit: activations against the log's execution context",
            _of(log, "activations") / MIB,
            1134.01,
        ),
        _percent(
            "fit: all but the cache, with the reserve, against the log",
            log.used / GIB,
            79.10 - 70.48,
        ),
        _figure("estimate: median error, each row left out", median * 100, "%", 20.0, ROWS),
        _figure("estimate: largest error, each row left out", largest * 100, "%", 40.0, ROWS),
    ]


def _of(found: Fit, name: str) -> int:
    return sum(item.size for item in found.items if item.name.startswith(name))


def _percent(name: str, ours: float, theirs: float, goal: float | None = None) -> Figure:
    detail = f"{ours:.2f} against {theirs:.2f}"
    return _figure(name, abs(ours / theirs - 1) * 100, "%", goal, detail)
