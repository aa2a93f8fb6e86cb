"""Models of a few thousand numbers: an encoder over bytes, and a plain graph, as ONNX files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines import facts, plan, source
from engines.source import ModelSource
from engines.spec import EngineSpec
from landfall.model.classification import Classification

WIDTH, WIDE, CONTEXT = 64, 128, 32
VOCABULARY = 256
OPSET = 17

ENCODER: dict[str, Any] = {
    "name": "tiny-encoder",
    "kind": "embedding",
    "model": {"huggingface": "models/tiny-encoder", "classification": "internal"},
    "precision": "int8",
    "classification": "restricted",
    "limits": {"max_batch": 4, "max_sequence": CONTEXT},
}
GRAPH: dict[str, Any] = {
    "name": "tiny-graph",
    "kind": "onnx_graph",
    "model": {"onnx": "models/tiny-graph/model.onnx", "classification": "internal"},
    "precision": "int8",
    "classification": "restricted",
}

TEXTS = tuple(
    f"{subject} {verb} {thing}."
    for subject in ("The link", "A host", "One engine", "Our gateway")
    for verb, thing in (("carries", "models"), ("answers", "requests"), ("keeps", "a log"))
)


LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 100,
    "max_position_embeddings": 4096,
}
"""The config.json of a checkpoint for GPUs."""


def _draw(chance: np.random.Generator, *shape: int) -> Any:
    scale = shape[0] ** -0.5 if len(shape) > 1 else 0.1
    return (chance.standard_normal(shape) * scale).astype(np.float32)


def save(
    path: Path,
    nodes: list[Any],
    inputs: Mapping[str, tuple[str, list[Any]]],
    outputs: Mapping[str, tuple[str, list[Any]]],
    constants: Mapping[str, Any],
    *,
    opset: int = OPSET,
    outside: bool = False,
) -> Path:
    """Save a graph; `outside` puts its weights beside it."""
    import onnx
    from onnx import helper

    def values(told: Mapping[str, tuple[str, list[Any]]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)
            for name, (kind, shape) in told.items()
        ]

    weights = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    domains = {"": opset} | {each.domain: 1 for each in nodes if each.domain}
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", values(inputs), values(outputs), weights),
        opset_imports=[helper.make_opsetid(name, version) for name, version in domains.items()],
        ir_version=10,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path, save_as_external_data=outside, location="weights.bin", size_threshold=0)
    return path


def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    """One operator."""
    from onnx import helper

    return helper.make_node(operator, inputs, [output], **attributes)


def encoder(folder: Path, *, outside: bool = False) -> Path:
    """A folder with an encoder: a table and two layers over bytes, a vector for each token."""
    chance = np.random.default_rng(3)
    constants = {
        "table": chance.standard_normal((VOCABULARY, WIDTH)).astype(np.float32),
        "up": _draw(chance, WIDTH, WIDE),
        "down": _draw(chance, WIDE, WIDTH),
    }
    ids: tuple[str, list[Any]] = ("INT64", ["B", "S"])
    save(
        folder / source.GRAPH,
        [
            node("Gather", ["table", "input_ids"], "x"),
            node("MatMul", ["x", "up"], "wide"),
            node("Tanh", ["wide"], "active"),
            node("MatMul", ["active", "down"], "last_hidden_state"),
        ],
        {"input_ids": ids, "attention_mask": ids},
        {"last_hidden_state": ("FLOAT", ["B", "S", WIDTH])},
        constants,
        outside=outside,
    )
    (folder / source.CONFIG).write_text(json.dumps({"context": CONTEXT}))
    (folder / source.TOKENIZER).write_text('{"type": "bytes", "special_tokens": {}}')
    (folder / source.EVALUATION).write_text("\n".join(TEXTS))
    return folder


def graph(folder: Path, *, travels: bool = True, outside: bool = False) -> Path:
    """A folder with a classifier of four classes: scores, and the class; `travels`: its inputs."""
    chance = np.random.default_rng(4)
    constants = {
        "up": _draw(chance, WIDTH, WIDE),
        "bias": _draw(chance, WIDE),
        "down": _draw(chance, WIDE, 4),
    }
    save(
        folder / source.GRAPH,
        [
            node("MatMul", ["x", "up"], "wide"),
            node("Add", ["wide", "bias"], "moved"),
            node("Relu", ["moved"], "active"),
            node("MatMul", ["active", "down"], "scores"),
            node("ArgMax", ["scores"], "class", axis=-1, keepdims=0),
        ],
        {"x": ("FLOAT", ["N", WIDTH])},
        {"scores": ("FLOAT", ["N", 4]), "class": ("INT64", ["N"])},
        constants,
        outside=outside,
    )
    if travels:
        drawn = {f"{case}/x": _draw(chance, 2 + case % 3, WIDTH) for case in range(40)}
        np.savez(folder / source.EVALUATION_ARRAYS, **drawn)
    return folder


def planned(folder: Path, written: Mapping[str, Any], **more: Any) -> plan.Plan:
    """A plan for this very machine."""
    spec = EngineSpec.model_validate({**written, **more})
    return plan.plan(spec, read(folder, spec), facts.read())


def read(folder: Path, spec: EngineSpec) -> ModelSource:
    """The model, as plans know it."""
    return source.read(
        folder, name=folder.name, version="7", classification=Classification.INTERNAL,
        kind=spec.kind,
    )  # fmt: skip
