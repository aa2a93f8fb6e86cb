"""Engines that load and answer nonsense: a gate must catch each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from engines import backends, build, gate, manifest, plan, source, tokenizer
from engines.backends import Step
from engines.gate import determinism
from engines.manifest import Predicate
from landfall.errors import GateFailed

pytestmark = pytest.mark.slow


def shuffled(graph: Path) -> None:
    """The same numbers in another order: it has the right shapes, loads and answers."""
    model = onnx.load(graph)
    chance = np.random.default_rng(1)
    for each in model.graph.initializer:
        values = onnx.numpy_helper.to_array(each).copy()
        if values.ndim > 1:
            chance.shuffle(values.reshape(-1))
            each.CopyFrom(onnx.numpy_helper.from_array(values, each.name))
    onnx.save(model, graph)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that has learned a little: of random weights any order is as good."""
    import jax.numpy as jnp

    from examples.tiny_lm import data, optimiser, train
    from examples.tiny_lm.config import ModelConfig
    from examples.tiny_lm.definition import Definition
    from examples.tiny_lm.graph import random_weights

    job = Definition(model=ModelConfig(layers=2, heads=2, width=64, context=128), steps=30)
    corpus = data.load()
    fresh = random_weights(job.model, job.seed)
    state = optimiser.initial({name: jnp.asarray(each) for name, each in fresh.items()})
    for step in range(job.steps):
        batch = data.batch(corpus.train, rows=8, length=64, seed=0, step=step)
        rows = tuple(map(jnp.asarray, (batch.tokens, batch.targets, batch.weights)))
        state, loss = optimiser.train_step(job, state, rows, jnp.asarray(step))
    folder = tmp_path_factory.mktemp("trained") / "model"
    train.finish(folder, job, corpus, state, float(loss))
    return folder


def plan_of(model: Path, spec: Any) -> plan.Plan:
    from engines import facts
    from landfall.model.classification import Classification

    found = source.read(
        model, name="tiny-lm", version="3", classification=Classification.CONFIDENTIAL
    )
    return plan.plan(spec, found, facts.read())


class Damaging:
    """The backend, but for what it does to an engine after its last step."""

    def __init__(self, damage: Any, last: str) -> None:
        self._real, self._damage, self._last = backends.find("onnxruntime"), damage, last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def carry_out(self, step: Step, source: Path, target: Path) -> None:
        self._real.carry_out(step, source, target)
        if step.settings.get("file") == self._last:
            self._damage(target)


def swapped(engine: Path) -> None:
    """Another model's tokenizer: of the same size, with other words."""
    path = engine / source.TOKENIZER
    value = json.loads(path.read_text())
    special = value["special_tokens"]
    names = list(special)
    value["special_tokens"] = dict(zip(names, [special[each] for each in names[::-1]], strict=True))
    path.write_text(json.dumps(value))


def test_a_wrong_tokenizer(
    model: Path, spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaging = Damaging(swapped, source.TOKENIZER)
    planned = plan_of(model, spec)
    monkeypatch.setattr(backends, "find", lambda _: damaging)
    with pytest.raises(GateFailed, match="other tokens of the held-out text"):
        build.run(planned, model, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def test_shuffled_weights(
    trained: Path, spec: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaging = Damaging(lambda folder: shuffled(folder / source.GRAPH), source.TOKENIZER)
    wanted = spec.model_copy(update={"precision": "float32"})
    planned = plan_of(trained, wanted)
    build.run(planned, trained, tmp_path / "whole")  # undamaged, it passes
    monkeypatch.setattr(backends, "find", lambda _: damaging)
    with pytest.raises(GateFailed, match=r"perplexity .* against .* of the float32 model"):
        build.run(planned, trained, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def test_the_tokenizer_that_was_swapped_would_load(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    swapped(copy)
    assert tokenizer.load(copy).vocabulary == tokenizer.load(model).vocabulary


def test_a_build_says_every_gate(signed: Any) -> None:
    about: Predicate = manifest.read(signed.engine).predicate
    assert [(each.name, each.outcome) for each in about.gates] == [
        ("quality", "passed"),
        ("determinism", "passed"),
    ]
    assert gate.unmet(about) == ()


class Unsteady:
    """A runtime that answers the second time otherwise."""

    slots, room, vocabulary = 1, 64, 8

    def __init__(self) -> None:
        self.calls = 0

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        self.calls += 1
        return np.eye(8, dtype=np.float32)[[self.calls % 8] * len(ids)]

    def decode(self, ids: Any, lengths: Any) -> Any:
        return np.eye(8, dtype=np.float32)[:1]

    def move(self, source: int, target: int, length: int) -> None: ...


def test_an_engine_that_differs_from_itself() -> None:
    with pytest.raises(GateFailed, match=r"token 0 was 1, then 2"):
        determinism.measure(Unsteady(), [np.zeros(5, np.int64)])


def test_the_real_runtime_repeats_itself(model: Path) -> None:
    rows = gate.held_out(model, room=64)
    runtime = backends.find("onnxruntime").open(model, slots=1, room=64, threads=1)
    found = determinism.measure(runtime, rows)
    assert (found.outcome, found.figures["tokens"]) == ("passed", 24.0)
