"""Quality of an encoder: what is caught, and what is not held against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import source
from engines.bounds import EmbeddingGate
from engines.encoder import Encoder, unit
from engines.gate import embedding, texts
from engines.graph import Array, Tensor
from landfall.errors import GateFailed, IntegrityError, InvalidInput

GATE = EmbeddingGate()
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.standard_normal((40, 16))


def turned(rows: Any, share: float) -> Any:
    """Each row moved by so much of its length, in a direction of its own."""
    noise = unit(RANDOM.standard_normal(rows.shape)) * np.linalg.norm(rows, axis=-1)[:, None]
    return rows + share * noise


def one(change: Callable[[Any], Any]) -> Any:
    rows = ROWS.copy()
    rows[7] = change(rows[7])
    return rows


def test_what_is_the_same_passes() -> None:
    found = embedding.judge(GATE, "t", reference=ROWS, engine=ROWS * 3.0)  # length counts nothing
    assert (found.cosine, found.mean_cosine, found.neighbours, found.texts) == (1.0, 1.0, 1.0, 40)
    near = embedding.judge(GATE, "t", reference=ROWS, engine=turned(ROWS, 0.02))
    assert 0.99 < near.cosine < 1
    assert near.figures["min_cosine"] == 0.99


BAD: dict[str, tuple[Any, str]] = {
    "all a little": (turned(ROWS, 0.4), r"cosine 0\.\d+ for text"),
    "one text": (one(lambda row: -row), r"cosine -1\.0000 for text 7, bound 0\.99"),
    "one number": (one(lambda row: row * np.nan), "not finite"),
    "all to nothing": (ROWS * 0.0, r"cosine 0\.0000"),
    "another width": (ROWS[:, :8], r"vectors \[40, 8\] against \[40, 16\]"),
    "one direction": (ROWS + 1000.0, "cosine"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_worse_fails(case: str) -> None:
    engine, says = BAD[case]
    with pytest.raises(GateFailed, match=says):
        embedding.judge(GATE, "t", reference=ROWS, engine=engine)


def test_neighbours_that_change_fail_even_where_vectors_hardly_move() -> None:
    def at(near: float, far: float) -> Any:
        angles = np.cumsum([near, far] * 12)
        return np.stack([np.cos(angles), np.sin(angles)], -1)

    close, shuffled = at(0.05, 0.08), at(0.09, 0.04)  # each moves by 0.04 of its length
    with pytest.raises(GateFailed, match=r"keep their nearest neighbour, bound 95\.0%"):
        embedding.judge(GATE, "t", reference=close, engine=shuffled)


def test_a_tie_is_no_loss() -> None:
    corners = unit(turned(np.eye(12), 1e-6))  # every other one is as near, but for chance
    assert embedding.neighbours(corners, unit(turned(corners, 0.001))) == 1.0


@pytest.mark.parametrize("rows", [np.ones((40, 16)), ROWS * np.inf])
def test_a_model_that_tells_nothing_apart_measures_nothing(rows: Any) -> None:
    with pytest.raises(InvalidInput, match=r"all alike|not finite"):
        embedding.judge(GATE, "t", reference=rows, engine=np.ones((40, 16)))


@given(st.floats(0, 2))
def test_a_bound_is_kept_or_missed_and_never_both(share: float) -> None:
    engine = turned(ROWS, share)
    cosine = (unit(ROWS) * unit(engine)).sum(-1).min()
    try:
        found = embedding.judge(GATE, "t", reference=ROWS, engine=engine)
    except GateFailed:
        found = None
    if found is None:
        assert cosine < 0.99 or embedding.neighbours(unit(ROWS), unit(engine)) < 0.95
    else:
        assert cosine >= 0.99 - 1e-6


class Rows:
    """A graph whose vectors are what `make` says of the tokens."""

    outputs: tuple[Tensor, ...] = (Tensor(name="v", dtype="float32", shape=(None, 4)),)

    def __init__(self, make: Callable[[Any], Any], *names: str) -> None:
        self.inputs = tuple(Tensor(name=n, dtype="int64", shape=(None, None)) for n in names)
        self._make = make

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        return [np.asarray(self._make(inputs["input_ids"]), np.float32)]


TEXTS = [[number, number + 1, *range(number % 3)] for number in range(1, 12)]


def steady(ids: Any) -> Any:
    return np.stack([np.cos(ids.sum(-1) * each) for each in (1, 2, 3, 4)], -1)


def test_an_encoder_that_differs_from_itself() -> None:
    calls: list[int] = []

    def restless(ids: Any) -> Any:
        calls.append(1)
        return steady(ids) + len(calls) * 1e-6

    with pytest.raises(GateFailed, match="was embedded twice, and the vectors differ"):
        embedding.determinism(Encoder(Rows(restless, "input_ids"), batch=1), TEXTS, GATE)


def test_an_encoder_that_mixes_texts() -> None:
    def mixing(ids: Any) -> Any:
        return steady(ids) + (ids.shape[0] > 1) * 3.0

    graph = Rows(mixing, "input_ids", "attention_mask")
    with pytest.raises(GateFailed, match="alone has another vector than among others"):
        embedding.determinism(Encoder(graph, batch=4), TEXTS, GATE)
    good = Rows(steady, "input_ids", "attention_mask")
    found = embedding.determinism(Encoder(good, batch=4), TEXTS, GATE)
    assert (found.outcome, found.figures["texts"]) == ("passed", 11.0)


def test_without_a_mask_nothing_is_filled_up() -> None:
    seen: list[tuple[int, ...]] = []

    def noting(ids: Any) -> Any:
        seen.append(ids.shape)
        return steady(ids)

    Encoder(Rows(noting, "input_ids"), batch=4).vectors(TEXTS)
    assert seen == [(1, len(each)) for each in TEXTS]
    with pytest.raises(IntegrityError, match="an embedding takes input_ids"):
        Encoder(Rows(noting, "pixels"), batch=4)


def folder(path: Path, rows: object = None, text: str = "") -> Path:
    (path / source.TOKENIZER).write_text('{"type": "bytes", "special_tokens": {}}')
    (path / source.EVALUATION).write_text(text)
    if rows is not None:
        (path / source.EVALUATION_TOKENS).write_text(json.dumps(rows))
    return path


MANY = "\n".join(f"text number {each}, and more" for each in range(9))
LISTS = [[each, 1] for each in range(9)]


def test_texts_that_travel_with_a_model(tmp_path: Path) -> None:
    name, rows = texts.texts(folder(tmp_path, text=MANY), room=13)
    assert (name, len(rows), bytes(rows[0])) == (source.EVALUATION, 9, b"text number 0")
    name, rows = texts.texts(folder(tmp_path, LISTS, text=MANY), room=5)
    assert (name, rows) == (source.EVALUATION_TOKENS, LISTS)


@pytest.mark.parametrize(
    ("rows", "text", "says"),
    [
        (None, "one\ntwo\n", "at least 8 different texts"),
        (None, "same\n" * 20, "at least 8 different texts"),
        ([*LISTS, [256]], "", "token 256 is not in the vocabulary of 256"),
        ([*LISTS, [-1]], "", "token -1 is not in the vocabulary"),
        ([[1.5]], "", "must be a list of lists of token ids"),
        ({"a": 1}, "", "must be a list of lists of token ids"),
        (["text"], "", "must be a list of lists of token ids"),
    ],
)
def test_texts_that_measure_nothing(tmp_path: Path, rows: object, text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        texts.texts(folder(tmp_path, rows, text), room=64)


def test_a_tokenizer_that_is_not_read_needs_tokens(tmp_path: Path) -> None:
    folder(tmp_path, text=MANY)
    (tmp_path / source.TOKENIZER).write_text('{"model": {}}')
    (tmp_path / source.CONFIG).write_text('{"vocab_size": 300}')
    with pytest.raises(InvalidInput, match=r"give token ids in evaluation\.json"):
        texts.texts(tmp_path, room=64)
    (tmp_path / source.CONFIG).write_text("{}")
    with pytest.raises(IntegrityError, match="not a tokenizer that we can read"):
        texts.texts(tmp_path, room=64)
