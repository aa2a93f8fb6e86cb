"""Sampling: greedy, nucleus, and repeatable."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engines.serve.sampling import Sampler, draw

LOGITS = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
FLOATS = st.floats(-80, 80, width=32)


def test_greedy_takes_the_likeliest() -> None:
    assert Sampler(temperature=0.0).choose(LOGITS[::-1]) == 3


def test_a_seed_repeats() -> None:
    one, two = Sampler(temperature=1.0, seed=5), Sampler(temperature=1.0, seed=5)
    assert [one.choose(LOGITS) for _ in range(20)] == [two.choose(LOGITS) for _ in range(20)]


def test_the_shares_are_those_of_the_model() -> None:
    sampler = Sampler(temperature=1.0, seed=1)
    counts = np.bincount([sampler.choose(LOGITS) for _ in range(4000)], minlength=4) / 4000
    assert np.allclose(counts, np.exp(LOGITS), atol=0.03)


def test_the_nucleus_leaves_out_the_tail() -> None:
    drawn = {draw(LOGITS, 1.0, 0.75, point) for point in np.linspace(0, 0.999999, 200)}
    assert drawn == {0, 1}


@given(
    arrays.arrays(np.float32, st.integers(1, 40), elements=FLOATS),
    st.floats(1e-4, 2),
    st.floats(1e-9, 1),
    st.floats(0, 1, exclude_max=True),
)
def test_a_draw_is_a_token(logits: object, temperature: float, top_p: float, at: float) -> None:
    array = np.asarray(logits)
    assert 0 <= draw(array, temperature, top_p, at) < len(array)
