"""Sampling: greedy, nucleus, the likeliest k, repeatable, and nobody's business but the row's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engines.serve.sampling import Sampler, chances, choose, draw, finite

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
FLOATS = st.floats(-80, 80, width=32)
SETTINGS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_p=st.sampled_from([0.1, 0.9, 1.0]),
    top_k=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 5),
)


def one(sampler: Sampler, logits: Any = LOGITS) -> int:
    return choose(logits[None], [sampler])[0]


def drawn(**settings: float) -> set[int]:
    """Every token that some point of the candidates gives."""
    points = np.linspace(0, 0.999999, 200)
    wanted = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, **settings}
    arguments: Any = {name: np.full(200, value) for name, value in wanted.items()}
    return set(draw(np.tile(LOGITS, (200, 1)), uniform=points, **arguments).tolist())


def test_greedy_takes_the_likeliest() -> None:
    assert one(Sampler(temperature=0.0), LOGITS[::-1]) == 3


def test_a_seed_repeats() -> None:
    first, second = Sampler(temperature=1.0, seed=5), Sampler(temperature=1.0, seed=5)
    answer = [one(first) for _ in range(20)]
    assert answer == [one(second) for _ in range(20)]
    assert len(set(answer)) > 1


def test_the_shares_are_those_of_the_model() -> None:
    sampler = Sampler(temperature=1.0, seed=1)
    counts = np.bincount([one(sampler) for _ in range(4000)], minlength=4) / 4000
    assert np.allclose(counts, np.exp(LOGITS), atol=0.03)


@pytest.mark.parametrize(
    ("settings", "candidates"),
    [
        ({}, {0, 1, 2, 3}),
        ({"top_p": 0.75}, {0, 1}),
        ({"top_p": 0.01}, {0}),
        ({"top_k": 3}, {0, 1, 2}),
        ({"top_k": 1}, {0}),
        ({"top_k": 9}, {0, 1, 2, 3}),
        ({"top_k": 3, "top_p": 0.6}, {0, 1}),
    ],
)
def test_who_is_a_candidate(settings: dict[str, float], candidates: set[int]) -> None:
    assert drawn(**settings) == candidates


@given(
    arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 40)), elements=FLOATS),
    st.data(),
)
def test_no_row_depends_on_its_neighbours(logits: Any, data: st.DataObject) -> None:
    settings = [data.draw(SETTINGS) for _ in logits]
    together = choose(logits, [Sampler(**each) for each in settings])
    alone = [one(Sampler(**each), row) for each, row in zip(settings, logits, strict=True)]
    assert together == alone
    assert all(0 <= token < logits.shape[1] for token in together)


def test_what_cannot_be_chosen_from() -> None:
    rows = np.zeros((5, 4), np.float32)
    rows[1, 2], rows[2, 2], rows[3, 2], rows[4] = np.nan, np.inf, -np.inf, -np.inf
    assert finite(rows).tolist() == [True, False, False, True, False]


def test_chances_are_the_models_own() -> None:
    found = chances(LOGITS - 5, 2, 2)
    assert np.isclose(found.chosen, np.log(0.15))
    assert [token for token, _ in found.top] == [0, 1]
    assert np.allclose([chance for _, chance in found.top], np.log([0.5, 0.3]))
