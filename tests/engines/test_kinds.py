"""Encoders and plain graphs, from a file to answers: built, gated, signed, stored, served."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest

from engines import backends, build, gate, manifest, plan, sign, source
from engines.backends import onnxruntime
from engines.quality import Difference, Likeness
from engines.serve import kinds
from engines.serve.graphs import GraphService
from engines.serve.lifecycle import Limits
from engines.serve.load import verify
from engines.store import Store
from landfall.errors import GateFailed, IntegrityError, InvalidInput, Refused
from tests.engines import tiny
from tests.engines.gate.test_nonsense import Damaging
from tests.engines.serve.test_graphs import using

pytestmark = pytest.mark.slow

MAKE: dict[str, tuple[Callable[..., Path], dict[str, Any]]] = {
    "embedding": (tiny.encoder, tiny.ENCODER),
    "onnx_graph": (tiny.graph, tiny.GRAPH),
}


def made(kind: str, folder: Path, **more: Any) -> tuple[Path, plan.Plan]:
    make, spec = MAKE[kind]
    model = make(folder / "model")
    return model, tiny.planned(model, spec, **more)


def operators(engine: Path) -> set[str]:
    return {each.op_type for each in onnx.load(engine / source.GRAPH).graph.node}


def signed(engine: Path, folder: Path) -> tuple[Path, Path]:
    private, public = sign.generate_keys(folder / "keys")
    sign.sign(engine, folder / "engine.sig", private)
    return folder / "engine.sig", public


def ask(folder: Path, signature: Path, public: Path, path: str, body: Any) -> httpx.Response:
    engine = verify(folder, signature=signature, public_key=public)
    service = kinds.open_engine(
        engine.about.engine, engine, Limits(), threads=1, slots=None, kept=0
    )
    assert isinstance(service, GraphService)
    try:
        found = using(service, lambda client: client.post(path, json=body))
    finally:
        service.stop()
    assert isinstance(found, httpx.Response)
    return found


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_an_encoder_from_a_file_to_vectors(tmp_path: Path, precision: str) -> None:
    model, planned = made("embedding", tmp_path, precision=precision)
    engine = build.run(planned, model, tmp_path / "engine")
    assert ("MatMulNBits" in operators(engine)) == (precision == "int8")
    assert not (engine / source.EVALUATION).exists()
    about = manifest.check(engine).predicate
    assert (about.kind, about.speed, about.passed) == ("embedding", None, True)
    assert [each.name for each in about.gates] == ["quality", "determinism"]
    quality = about.quality
    assert isinstance(quality, Likeness)
    assert (quality.data, quality.texts) == (source.EVALUATION, len(tiny.TEXTS))
    exact = precision == "float32"
    assert (quality.cosine == 1.0) == exact  # int8 really was measured, and is not the same
    assert quality.cosine >= quality.min_cosine == 0.99

    signature, public = signed(engine, tmp_path)
    store = Store(tmp_path / "store")
    entry = store.put(engine, signature)
    store.verify(entry.key, public, full=True)
    body = {"model": "tiny-encoder", "input": list(tiny.TEXTS)}
    answer = ask(entry.engine, entry.signature, public, "/v1/embeddings", body).json()
    found = np.array([each["embedding"] for each in answer["data"]])
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)
    wanted = np.array([vector(model, text) for text in tiny.TEXTS])
    assert (wanted * found).sum(-1).min() >= quality.min_cosine


def vector(model: Path, text: str) -> Any:
    """What numpy makes of the weights: the way through ONNX Runtime must say the same."""
    weights = {
        each.name: onnx.numpy_helper.to_array(each)
        for each in onnx.load(model / source.GRAPH).graph.initializer
    }
    tokens = np.tanh(weights["table"][list(text.encode())] @ weights["up"]) @ weights["down"]
    return tokens.mean(0) / np.linalg.norm(tokens.mean(0))


@pytest.mark.parametrize("travels", [True, False], ids=["its inputs travel", "random inputs"])
def test_a_graph_from_a_file_to_answers(tmp_path: Path, travels: bool) -> None:
    model = tiny.graph(tmp_path / "model", travels=travels)
    planned = tiny.planned(model, tiny.GRAPH, gates={"graph": {"min_equal": 0.9}})
    engine = build.run(planned, model, tmp_path / "engine")
    assert "MatMulNBits" in operators(engine)
    about = manifest.check(engine).predicate
    quality = about.quality
    assert isinstance(quality, Difference)
    assert (quality.cases, quality.data, quality.seed) == (
        (40, source.EVALUATION_ARRAYS, None) if travels else (16, "", 1)
    )
    scores, kinds_ = quality.outputs
    assert scores.relative is not None
    assert 0 < scores.relative <= 0.02
    assert (kinds_.absolute, kinds_.equal >= 0.9) == (None, True)
    assert ("none travel with the model" in about.gates[0].detail) != travels

    signature, public = signed(engine, tmp_path)
    entry = Store(tmp_path / "store").put(engine, signature)
    rows = np.eye(tiny.WIDTH, dtype=np.float32)[:2]
    given = {"name": "x", "shape": [2, 64], "datatype": "FP32", "data": rows.ravel().tolist()}
    body = {"inputs": [given], "outputs": [{"name": "scores"}]}
    path = "/v2/models/tiny-graph/infer"
    [output] = ask(entry.engine, entry.signature, public, path, body).json()["outputs"]
    plain = onnxruntime.open_graph(model, threads=1)
    [wanted] = plain.run({"x": rows}, ["scores"])
    assert np.abs(np.reshape(output["data"], (2, 4)) - wanted).max() < 0.05


def halved(engine: Path) -> None:
    """A damaged scale: what a block of weights is multiplied with."""
    model = onnx.load(engine / source.GRAPH)
    for each in model.graph.initializer:
        if "scale" in each.name:
            values = onnx.numpy_helper.to_array(each).copy()
            values[: len(values) // 2] *= -1
            each.CopyFrom(onnx.numpy_helper.from_array(values, each.name))
            break
    else:
        raise AssertionError("no scale to damage")
    onnx.save(model, engine / source.GRAPH)


CAUGHT = {
    "embedding": r"quality against the float32 model: cosine .* for text \d+, bound 0\.99",
    "onnx_graph": r"quality against the float32 model: scores: off by .*%, bound 2\.00%",
}


@pytest.mark.parametrize("kind", MAKE)
def test_a_damaged_weight_is_caught(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, planned = made(kind, tmp_path, gates={})
    build.run(planned, model, tmp_path / "whole")  # undamaged, it passes
    last = str(planned.steps[-1].settings.get("file"))
    damaging = Damaging(halved, last) if kind == "embedding" else Quantising(halved)
    monkeypatch.setattr(backends, "find", lambda _: damaging)
    with pytest.raises(GateFailed, match=CAUGHT[kind]):
        build.run(planned, model, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


class Quantising(Damaging):
    """Damages what is quantised, where nothing is copied after."""

    def __init__(self, damage: Any) -> None:
        super().__init__(damage, "")

    def carry_out(self, step: backends.Step, source: Path, target: Path) -> None:
        super().carry_out(step, source, target)
        self._damage(target)


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_weights_that_lie_outside_come_with_it(tmp_path: Path, kind: str, precision: str) -> None:
    make, spec = MAKE[kind]
    inside, outside = make(tmp_path / "a"), make(tmp_path / "b", outside=True)
    assert (outside / "weights.bin").stat().st_size > (outside / source.GRAPH).stat().st_size
    planned = tiny.planned(outside, spec, precision=precision)
    assert set(planned.source.files) > {"weights.bin", source.GRAPH}
    engine = build.run(planned, outside, tmp_path / "engine")
    sizes = {path.name: path.stat().st_size for path in engine.iterdir()}
    beside = "weights.bin" if precision == "float32" else "model.onnx.data"
    assert sizes[beside] > sizes[source.GRAPH]
    assert manifest.check(engine).predicate.passed
    assert tiny.planned(inside, spec).key != planned.key
    (outside / "weights.bin").write_bytes(b"\0" * (outside / "weights.bin").stat().st_size)
    with pytest.raises(IntegrityError, match=r"weights\.bin has digest"):
        build.run(planned, outside, tmp_path / "again")


def test_nothing_to_quantise_is_told(tmp_path: Path) -> None:
    value = ("FLOAT", ["N"])
    tiny.save(
        tmp_path / "model" / source.GRAPH, [tiny.node("Neg", ["x"], "y")], {"x": value},
        {"y": value}, {},
    )  # fmt: skip
    planned = tiny.planned(tmp_path / "model", tiny.GRAPH)
    with pytest.raises(Refused, match="no constant in a MatMul"):
        build.run(planned, tmp_path / "model", tmp_path / "engine")
    again = tiny.planned(tmp_path / "model", tiny.GRAPH, precision="float32")
    build.run(again, tmp_path / "model", tmp_path / "engine")


@pytest.mark.parametrize("changed", [{"kind": "onnx_graph"}, {"precision": "float32"}])
def test_a_plan_whose_kind_was_edited_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    model, planned = made("embedding", tmp_path)
    edited = planned.model_copy(update=changed)
    with pytest.raises(Refused, match=r"for another host|other steps"):
        build.run(edited, model, tmp_path / "engine")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", ""])
def test_a_plan_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    _, planned = made("onnx_graph", tmp_path, precision="float32")
    files = {**planned.source.files, name: "0" * 64}
    moved = planned.source.model_copy(update={"files": files})
    edited = planned.model_copy(update={"source": moved, "source_digest": moved.digest})
    with pytest.raises(InvalidInput, match=r"source\.files"):
        plan.read(edited.to_json())


def test_random_inputs_are_announced(tmp_path: Path) -> None:
    assert tiny.planned(tiny.graph(tmp_path / "a"), tiny.GRAPH).notes == ()
    [note] = tiny.planned(tiny.graph(tmp_path / "b", travels=False), tiny.GRAPH).notes
    assert note.endswith("it is measured on random inputs")


def test_an_encoder_with_a_foreign_tokenizer_takes_tokens(tmp_path: Path) -> None:
    model = tiny.encoder(tmp_path / "model")
    (model / source.EVALUATION).unlink()
    (model / source.TOKENIZER).write_text(json.dumps({"model": {"type": "WordPiece"}}))
    config = {"model_type": "bert", "max_position_embeddings": 32, "vocab_size": tiny.VOCABULARY}
    (model / source.CONFIG).write_text(json.dumps(config))
    rows = [list(text.encode())[:32] for text in tiny.TEXTS]
    (model / source.EVALUATION_TOKENS).write_text(json.dumps(rows))
    engine = build.run(tiny.planned(model, tiny.ENCODER), model, tmp_path / "engine")
    quality = manifest.read(engine).predicate.quality
    assert isinstance(quality, Likeness)
    assert quality.data == source.EVALUATION_TOKENS
    key = signed(engine, tmp_path)
    body = {"model": "tiny-encoder", "input": rows[0]}
    assert ask(engine, *key, "/v1/embeddings", body).status_code == 200
    refused = ask(engine, *key, "/v1/embeddings", {**body, "input": "a text"})
    assert "send lists of token ids" in refused.json()["error"]["message"]


LOAD = {"requests_per_second": 50, "requests": 20, "p95_ms": 60_000}


@pytest.mark.services
@pytest.mark.parametrize("kind", MAKE)
def test_a_build_is_measured_under_load(tmp_path: Path, kind: str) -> None:
    model, planned = made(kind, tmp_path, gates={"response": LOAD})
    about = manifest.check(build.run(planned, model, tmp_path / "engine")).predicate
    *_, found = about.gates
    assert (found.name, found.outcome, found.figures["requests"]) == ("latency", "passed", 20.0)
    assert gate.unmet(about) == ()
    _, late = made(kind, tmp_path, gates={"response": {**LOAD, "p95_ms": 0.001}})
    with pytest.raises(GateFailed, match="answer p95"):
        build.run(late, model, tmp_path / "slow")
