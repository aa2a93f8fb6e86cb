"""ONNX files: what can be served says what it needs, what cannot is told before anything is run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import onnxfile, source
from engines.spec import EngineSpec
from landfall.errors import InvalidInput
from tests.engines import tiny

pytestmark = pytest.mark.slow


def small(path: Path, *nodes: Any, constants: Any = None, **more: Any) -> Path:
    value = ("FLOAT", ["N"])
    return tiny.save(path, list(nodes) or [tiny.node("Neg", ["x"], "y")], {"x": value},
                     {"y": value}, constants or {}, **more)  # fmt: skip


def changed(path: Path, change: Callable[[Any], None]) -> None:
    model = onnx.load(path, load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())


def moved(location: str) -> Callable[[Path], object]:
    def move(model: Any) -> None:
        for entry in model.graph.initializer[0].external_data:
            if entry.key == "location":
                entry.value = location

    return lambda path: changed(path, move)


def halves(path: Path) -> None:
    weights = path.parent / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-4])


def linked(path: Path) -> None:
    (path.parent / "weights.bin").rename(path.parent / "elsewhere")
    (path.parent / "weights.bin").symlink_to(path.parent / "elsewhere")


def narrow(model: Any) -> None:
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.zeros(4, np.float16), "half")
    )  # fmt: skip


def narrow_constant(model: Any) -> None:
    value = onnx.numpy_helper.from_array(np.zeros(4, np.float16), "half")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["half"], value=value))


def quantised(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("DequantizeLinear", ["a", "b"], ["c"]))


def inside_a_branch(model: Any) -> None:
    hidden = onnx.helper.make_node("QLinearMatMul", [], ["c"])
    branch = onnx.helper.make_graph([hidden], "then", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["a"], ["b"], then_branch=branch))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        "no whole ONNX file",
    ),
    "no ONNX": (lambda path: path.write_text("graph"), "is no ONNX file"),
    "empty": (lambda path: path.write_bytes(b""), "is no ONNX file"),
    "without outputs": (
        lambda path: changed(path, lambda model: model.graph.ClearField("output")),
        "has no output",
    ),
    "too old": (
        lambda path: changed(path, lambda m: setattr(m.opset_import[0], "version", 6)),
        "opset: must be 7 to 26, not 6",
    ),
    "too new": (
        lambda path: changed(path, lambda m: setattr(m.opset_import[0], "version", 27)),
        "opset: must be 7 to 26, not 27",
    ),
    "of a later format": (
        lambda path: changed(path, lambda m: setattr(m, "ir_version", 14)),
        "ir_version: must be at most 13, not 14",
    ),
    "quantised before": (
        lambda path: changed(path, quantised), "is quantised already (DequantizeLinear)",
    ),
    "quantised in a branch": (
        lambda path: changed(path, inside_a_branch), "is quantised already (QLinearMatMul)",
    ),
    "of 16 bits": (lambda path: changed(path, narrow), "has weights in float16"),
    "a constant of 16 bits": (
        lambda path: changed(path, narrow_constant), "has weights in float16",
    ),
    "weights in another folder": (moved("../weights.bin"), "must be a plain file beside"),
    "hidden weights": (moved(".weights"), "must be a plain file beside the model"),
    "weights in no file": (moved(""), "must be a plain file beside the model"),
    "weights anywhere": (moved("/etc/passwd"), "must be a plain file beside the model"),
    "weights nowhere": (moved("other.bin"), "other.bin: is missing"),
    "weights cut": (halves, "weights.bin: has"),
    "weights behind a link": (linked, "must be a plain file beside the model"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_served_is_told(tmp_path: Path, case: str) -> None:
    path = small(
        tmp_path / source.GRAPH, tiny.node("Add", ["x", "w"], "y"),
        constants={"w": np.ones(100, np.float32)}, outside=True,
    )  # fmt: skip
    assert onnxfile.read(path).beside == ("weights.bin",)
    damage, says = WRONG[case]
    damage(path)
    with pytest.raises(InvalidInput) as caught:
        onnxfile.read(path)
    assert says in str(caught.value)


def test_all_that_is_wrong_comes_at_once(tmp_path: Path) -> None:
    path = small(tmp_path / source.GRAPH)

    def spoil(model: Any) -> None:
        model.opset_import[0].version = 3
        model.ir_version = 99
        quantised(model)

    changed(path, spoil)
    with pytest.raises(InvalidInput) as caught:
        onnxfile.read(path)
    assert [each.path for each in caught.value.problems] == ["opset", "ir_version", "graph"]


def test_whose_operators_it_needs(tmp_path: Path) -> None:
    own = small(tmp_path / "a.onnx", tiny.node("Gelu", ["x"], "y", domain="com.microsoft"))
    assert onnxfile.read(own).operators == ("com.microsoft",)
    scaled = tiny.node("Scaler", ["x"], "y", domain="ai.onnx.ml", offset=[0.0], scale=[1.0])
    assert onnxfile.read(small(tmp_path / "b.onnx", scaled)).operators == ()


def test_a_function_that_the_file_brings_is_no_foreign_operator(tmp_path: Path) -> None:
    path = small(tmp_path / "a.onnx", tiny.node("Twice", ["x"], "y", domain="ours"))
    assert onnxfile.read(path).operators == ("ours",)
    opset = onnx.helper.make_opsetid("", tiny.OPSET)
    twice = onnx.helper.make_function(
        "ours", "Twice", ["a"], ["b"], [onnx.helper.make_node("Add", ["a", "a"], ["b"])], [opset]
    )
    changed(path, lambda model: model.functions.append(twice))
    assert onnxfile.read(path).operators == ()


@pytest.mark.parametrize(
    ("domain", "declared", "says"),
    [
        ("com.microsoft", (), "operators of com.microsoft: declare them in `operators`"),
        ("com.microsoft", ("com.microsoft",), ""),
        ("acme.ops", ("com.microsoft",), "no library of others is loaded"),
    ],
)
def test_operators_must_be_declared(
    tmp_path: Path, domain: str, declared: tuple[str, ...], says: str
) -> None:
    small(tmp_path / source.GRAPH, tiny.node("Gelu", ["x"], "y", domain=domain))
    words = {"precision": "float32", "operators": declared}
    if not says:
        assert tiny.planned(tmp_path, tiny.GRAPH, **words).steps
        return
    with pytest.raises(InvalidInput, match=says) as caught:
        tiny.planned(tmp_path, tiny.GRAPH, **words)
    assert [each.path for each in caught.value.problems] == ["operators"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / source.GRAPH
    path.write_bytes(content)
    with contextlib.suppress(InvalidInput):  # and nothing else
        onnxfile.read(path)


def missing(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def config(value: object) -> Callable[[Path], object]:
    return lambda folder: (folder / source.CONFIG).write_text(json.dumps(value))


FOLDERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no graph": (missing(source.GRAPH), "model.onnx: is missing: export the model to ONNX"),
    "no tokenizer": (missing(source.TOKENIZER), "tokenizer.json: is missing"),
    "no texts": (missing(source.EVALUATION), "evaluation.txt: is missing"),
    "no context": (config({}), "config.json: context: must be the longest text in tokens"),
    "positions that are no number": (
        config({"max_position_embeddings": "many"}), "config.json: max_position_embeddings: must",
    ),
    "a list": (config([]), "config.json: is not a JSON object"),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_what_an_encoder_lacks_is_told(tmp_path: Path, case: str) -> None:
    damage, says = FOLDERS[case]
    damage(tiny.encoder(tmp_path / "model"))
    with pytest.raises(InvalidInput) as caught:
        tiny.planned(tmp_path / "model", tiny.ENCODER)
    [problem] = caught.value.problems
    assert says in str(problem)


@pytest.mark.parametrize(
    ("told", "context"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"context": 128, "max_position_embeddings": 512}, 128),
    ],
)
def test_how_long_a_text_may_be(tmp_path: Path, told: dict[str, Any], context: int) -> None:
    model = tiny.encoder(tmp_path / "model")
    (model / source.CONFIG).write_text(json.dumps(told))
    found = tiny.read(model, EngineSpec.model_validate(tiny.ENCODER))
    assert found.context == context
    with pytest.raises(InvalidInput, match=f"reads at most {context} tokens, not 600"):
        tiny.planned(model, tiny.ENCODER, limits={"max_batch": 1, "max_sequence": 600})


def test_what_it_was_exported_from_may_lie_beside_it(tmp_path: Path) -> None:
    model = tiny.encoder(tmp_path / "model")
    (model / "pytorch_model.bin").write_bytes(b"pickle")
    assert set(tiny.planned(model, tiny.ENCODER).source.files) == {
        source.GRAPH, source.CONFIG, source.TOKENIZER, source.EVALUATION,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (source.GRAPH, "graph"), (source.CONFIG, "config"), (source.TOKENIZER, "tokenizer"),
        (source.EVALUATION, "evaluation"), ("weights.bin", "weights"),
    ],
)  # fmt: skip
def test_every_file_is_in_the_key(tmp_path: Path, name: str, part: str) -> None:
    from engines import facts, key

    spec = EngineSpec.model_validate(tiny.ENCODER)
    found = tiny.read(tiny.encoder(tmp_path / "model", outside=True), spec)
    other = found.model_copy(update={"files": {**found.files, name: "0" * 64}})
    here = facts.read()
    before, after = (key.parts(spec, each, here) for each in (found, other))
    assert set(key.difference(before, after)) == {part}
