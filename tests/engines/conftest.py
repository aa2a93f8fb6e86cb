"""A model of random weights, its plan and its engine, made once for all tests of engines."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from engines import build, facts, plan, sign, source
from engines.spec import EngineSpec
from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.data import Pair
from landfall.model.classification import Classification

CONFIG = ModelConfig(layers=2, heads=2, width=64, context=128)
SPEC = {
    "name": "tiny-lm",
    "model": {"name": "tiny-lm", "version": "3"},
    "precision": "int8",
    "classification": "restricted",
    "limits": {"max_batch": 4, "max_sequence": 128, "max_new_tokens": 100},
}
FACTS = {
    "machine": "x86_64",
    "cpu": "Xeon Gold 6338",
    "isa": ["avx2", "avx512", "avx512-vnni"],
    "python": "3.11.2",
    "packages": {"onnxruntime": "1.31.1"},
}


@dataclass(frozen=True, kw_only=True)
class Signed:
    """An engine with all that is needed to serve it."""

    engine: Path
    signature: Path
    public_key: Path
    private_key: Path
    plan: plan.Plan


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder. Tests that change it take a copy."""
    from examples.tiny_lm import graph  # seconds to import, and many tests need no model
    from examples.tiny_lm.export import Training, export

    folder = tmp_path_factory.mktemp("model") / "model"
    training = Training(
        job_digest="", data_digest="d" * 64, parameters=0, steps=0, loss=0.0, perplexity=0.0,
        answer_perplexity=0.0,
    )  # fmt: skip
    pairs = [Pair(question="What is a site?", answer="Owned hardware.")] * 4
    export(
        folder,
        config=CONFIG,
        weights=graph.random_weights(CONFIG),
        held_out=tuple(pairs),
        training=training,
    )
    return folder


@pytest.fixture
def spec() -> EngineSpec:
    """A spec that fits the model."""
    return EngineSpec.model_validate(SPEC)


@pytest.fixture
def host() -> facts.Facts:
    """A host that is not this one: keys and plans must not read where they run."""
    return facts.Facts.model_validate(FACTS)


@pytest.fixture(scope="session")
def model_source(model: Path) -> source.ModelSource:
    """The model, as plans know it."""
    return source.read(
        model,
        name="tiny-lm",
        version="3",
        classification=Classification.CONFIDENTIAL,
        data_digest="d" * 64,
    )


@pytest.fixture(scope="session")
def here(model_source: source.ModelSource) -> plan.Plan:
    """A plan for this very machine."""
    return plan.plan(EngineSpec.model_validate(SPEC), model_source, facts.read())


@pytest.fixture(scope="session")
def signed(model: Path, here: plan.Plan, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """A built and signed engine. Tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("signed")
    engine = build.run(here, model, folder / "engine")
    private, public = sign.generate_keys(folder / "keys")
    sign.sign(engine, folder / "engine.sig", private)
    return Signed(
        engine=engine,
        signature=folder / "engine.sig",
        public_key=public,
        private_key=private,
        plan=here,
    )


@pytest.fixture
def engine_copy(signed: Signed, tmp_path: Path) -> Path:
    """A copy of the engine, to be damaged."""
    return shutil.copytree(signed.engine, tmp_path / "engine")
