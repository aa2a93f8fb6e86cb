"""The model as an ONNX graph with a key-value cache, ready for ONNX Runtime on a CPU.

Inputs: `ids` and `pos` [B, S] int64; `seqlens_k` [B] int32, each row's length after this step minus
one; `total_len` int32 scalar, the longest row's length after this step; `past_k_<layer>` and
`past_v_<layer>` [B, heads, P, head_dim] float32, P the room of the cache.
Outputs: `logits` [B, S, vocabulary] float32, `present_k_<layer>` and `present_v_<layer>`, which may
be bound to the memory of the past: attention then reads and writes only the part in use. Rows may
differ in length. With S > 1 and a filled past, B must be 1 (GroupQueryAttention's own rule).

ids and pos that are negative wrap around silently in Gather: check them before the call.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.tape import Tape

from examples.tiny_lm.config import ModelConfig, shapes
from landfall.errors import InvalidInput, Problem

OPSET = {"": 23, "com.microsoft": 1}
"""23 is the first with RMSNormalization; GroupQueryAttention is ONNX Runtime's own."""
IR_VERSION = 11
EPSILON = 1e-5
"""Added to the mean square in RMSNorm."""
INITIAL_SCALE = 0.02
"""Standard deviation of fresh weights."""

POSITION_SCALE = 0.1
"""Height of the waves that positions begin as. Waves let the model learn distances, so that a
question late in a conversation is answered as well as the first; 0.02 and 0.4 did worse."""
POSITION_SPAN = 1000.0
"""Longest of these waves, in units of 2 pi tokens."""

Weights = Mapping[str, npt.NDArray[np.float32]]


def random_weights(config: ModelConfig, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Fresh weights: normal matrices (smaller where they add to the stream), waves, unit norms."""
    random = np.random.default_rng(seed)
    residual = (2 * config.layers) ** -0.5
    found = {}
    for name, shape in shapes(config).items():
        scale = INITIAL_SCALE * (residual if name.endswith(("attention_out", "down")) else 1.0)
        drawn = random.standard_normal(shape) * scale if len(shape) > 1 else np.ones(shape)
        found[name] = drawn.astype(np.float32)
    return {**found, "positions": _waves(config)}


def _waves(config: ModelConfig) -> npt.NDArray[np.float32]:
    """Sines and cosines of every position, as in the first transformers (Vaswani et al. 2017)."""
    half = (config.width + 1) // 2
    lengths = POSITION_SPAN ** (np.arange(half) / half)
    angles = np.arange(config.context)[:, None] / lengths
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, : config.width]
    return (POSITION_SCALE * waves).astype(np.float32)


def build(config: ModelConfig, weights: Weights) -> ir.Model:
    """The graph for `weights` (names and shapes of `config.shapes`).

    Raises:
        InvalidInput: a weight is missing, unknown or of the wrong shape; says which.
    """
    check(config, weights)
    tape = Tape()
    ids, pos = _input("ids", ir.DataType.INT64, "BS"), _input("pos", ir.DataType.INT64, "BS")
    lengths = _input("seqlens_k", ir.DataType.INT32, "B")
    total = _input("total_len", ir.DataType.INT32, "")
    inputs, presents = [ids, pos, lengths, total], []
    constant = {name: _constant(tape, name, array) for name, array in weights.items()}

    x = tape.op("Gather", [constant["embedding"], ids])
    x = tape.op("Add", [x, tape.op("Gather", [constant["positions"], pos])])
    for layer in range(config.layers):
        own = {
            name.removeprefix(f"layers.{layer}."): value
            for name, value in constant.items()
            if name.startswith(f"layers.{layer}.")
        }
        past = [_cache(f"past_{half}_{layer}", config) for half in "kv"]
        normed = _rms_norm(tape, x, own["attention_norm"])
        mixed, *present = _attention(tape, config, normed, own, [*past, lengths, total])
        presents += [
            _named(value, like=_cache(f"present_{half}_{layer}", config))
            for half, value in zip("kv", present, strict=True)
        ]
        inputs += past
        x = tape.op("Add", [x, mixed])
        x = tape.op("Add", [x, _mlp(tape, _rms_norm(tape, x, own["mlp_norm"]), own)])
    # The output shares the embedding's numbers, but quantisers only see constants of a MatMul.
    output = _constant(tape, "output", weights["embedding"].T)
    logits = tape.op("MatMul", [_rms_norm(tape, x, constant["norm"]), output])
    _named(logits, like=_input("logits", ir.DataType.FLOAT, ["B", "S", config.vocabulary]))
    graph = ir.Graph(
        inputs,
        [logits, *presents],
        nodes=tape.nodes,
        initializers=tape.initializers,
        opset_imports=OPSET,
        name="tiny_lm",
    )
    return ir.Model(graph, ir_version=IR_VERSION, producer_name="landfall")


def check(config: ModelConfig, weights: Weights) -> None:
    """Compare names and shapes of `weights` with what `config` needs.

    Raises:
        InvalidInput: with every difference.
    """
    wanted = shapes(config)
    problems = [Problem(path=name, message="is missing") for name in wanted if name not in weights]
    for name, array in weights.items():
        if name not in wanted:
            problems.append(Problem(path=name, message="is not a weight of this model"))
        elif array.shape != wanted[name]:
            wrong = f"has shape {array.shape}, must have {wanted[name]}"
            problems.append(Problem(path=name, message=wrong))
    if problems:
        raise InvalidInput("weights", problems)


def _attention(
    tape: Tape,
    config: ModelConfig,
    x: ir.Value,
    own: Mapping[str, ir.Value],
    cache: list[ir.Value],
) -> list[ir.Value]:
    query, key, value = tape.op_multi_out(
        "Split",
        [tape.op("MatMul", [x, own["qkv"]])],
        num_outputs=3,
        attributes={"axis": -1, "num_outputs": 3},
    )
    mixed, present_k, present_v = tape.op_multi_out(
        "GroupQueryAttention",
        [query, key, value, *cache],
        num_outputs=3,
        domain="com.microsoft",
        attributes={
            "num_heads": config.heads,
            "kv_num_heads": config.heads,
            "scale": config.head_dim**-0.5,
        },
    )
    return [tape.op("MatMul", [mixed, own["attention_out"]]), present_k, present_v]


def _mlp(tape: Tape, x: ir.Value, own: Mapping[str, ir.Value]) -> ir.Value:
    wide = tape.op("MatMul", [x, own["up"]])
    active = tape.op("Gelu", [wide], attributes={"approximate": "tanh"})
    return tape.op("MatMul", [active, own["down"]])


def _rms_norm(tape: Tape, x: ir.Value, gain: ir.Value) -> ir.Value:
    return tape.op("RMSNormalization", [x, gain], attributes={"axis": -1, "epsilon": EPSILON})


def _constant(tape: Tape, name: str, array: npt.NDArray[np.float32]) -> ir.Value:
    return tape.initializer(ir.tensor(np.ascontiguousarray(array, dtype=np.float32), name=name))


def _input(name: str, kind: ir.DataType, shape: str | list[str | int]) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(kind), shape=ir.Shape(list(shape)))


def _cache(name: str, config: ModelConfig) -> ir.Value:
    return _input(name, ir.DataType.FLOAT, ["B", config.heads, "P", config.head_dim])


def _named(value: ir.Value, *, like: ir.Value) -> ir.Value:
    value.name, value.type, value.shape = like.name, like.type, like.shape
    return value
