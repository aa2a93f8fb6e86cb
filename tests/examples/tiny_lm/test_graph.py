"""The graph computes the same whether a text is read at once, in pieces, or beside others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest

from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.graph import build, random_weights
from landfall.errors import InvalidInput

pytestmark = pytest.mark.slow

ort = pytest.importorskip("onnxruntime")

CONFIG = ModelConfig(layers=2, heads=2, width=32, context=24)
FLOATS = npt.NDArray[np.float32]
TOLERANCE = 1e-4


class Session:
    """ONNX Runtime on the graph, with a cache of `CONFIG.context` for each row."""

    def __init__(self, path: Path, rows: int) -> None:
        model = build(CONFIG, random_weights(CONFIG, seed=3))
        ir.save(model, path)
        self.run: Callable[..., list[FLOATS]] = ort.InferenceSession(
            path, providers=["CPUExecutionProvider"]
        ).run
        room = (rows, CONFIG.heads, CONFIG.context, CONFIG.head_dim)
        self.cache = {
            f"past_{half}_{layer}": np.zeros(room, np.float32)
            for layer in range(CONFIG.layers)
            for half in "kv"
        }

    def __call__(self, ids: list[list[int]], start: list[int]) -> FLOATS:
        """Logits of `ids`, whose rows continue at the positions `start`."""
        tokens = np.array(ids, np.int64)
        begin = np.array(start, np.int64)
        ends = begin + tokens.shape[1]
        answer = self.run(
            None,
            {
                "ids": tokens,
                "pos": begin[:, None] + np.arange(tokens.shape[1]),
                "seqlens_k": (ends - 1).astype(np.int32),
                "total_len": np.array(ends.max(), np.int32),
                **self.cache,
            },
        )
        self.cache = dict(zip(self.cache, answer[1:], strict=True))
        return answer[0]


TEXT = list(np.random.default_rng(1).integers(0, CONFIG.vocabulary, CONFIG.context))


@pytest.fixture
def full(tmp_path: Path) -> FLOATS:
    logits: FLOATS = Session(tmp_path / "full.onnx", 1)([TEXT], [0])[0]
    return logits


def test_token_by_token_equals_all_at_once(tmp_path: Path, full: FLOATS) -> None:
    session = Session(tmp_path / "steps.onnx", 1)
    steps = [session([[token]], [at])[0, 0] for at, token in enumerate(TEXT)]
    np.testing.assert_allclose(np.array(steps), full, atol=TOLERANCE)
    assert np.abs(full[0] - full[5]).max() > 100 * TOLERANCE  # the numbers do say something


def test_a_prompt_in_pieces_equals_all_at_once(tmp_path: Path, full: FLOATS) -> None:
    session = Session(tmp_path / "pieces.onnx", 1)
    pieces = [session([TEXT[a:b]], [a])[0] for a, b in ((0, 10), (10, 17), (17, 24))]
    np.testing.assert_allclose(np.concatenate(pieces), full, atol=TOLERANCE)


def test_rows_of_different_length_do_not_touch_each_other(tmp_path: Path, full: FLOATS) -> None:
    single = [Session(tmp_path / f"{n}.onnx", 1) for n in range(2)]
    lengths = [5, 12]
    for session, length in zip(single, lengths, strict=True):
        session([TEXT[:length]], [0])
    both = Session(tmp_path / "both.onnx", 2)
    both.cache = {
        name: np.concatenate([session.cache[name] for session in single]) for name in both.cache
    }
    logits = both([[TEXT[5]], [TEXT[12]]], lengths)
    np.testing.assert_allclose(logits[:, 0], full[lengths], atol=TOLERANCE)


def test_the_checker_accepts_the_graph() -> None:
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(ir.to_proto(build(CONFIG, random_weights(CONFIG))), full_check=False)


def test_weights_come_from_the_seed_alone() -> None:
    first, second, other = (random_weights(CONFIG, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["embedding"], other["embedding"])


def test_wrong_weights_are_all_named() -> None:
    weights = random_weights(CONFIG)
    del weights["norm"]
    weights["bias"] = np.zeros(1, np.float32)
    weights["positions"] = weights["positions"][:3]
    with pytest.raises(InvalidInput) as caught:
        build(CONFIG, weights)
    assert [problem.path for problem in caught.value.problems] == ["norm", "positions", "bias"]
