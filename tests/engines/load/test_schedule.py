"""Arrivals: made before, spread as a Poisson process spreads them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.load.schedule import poisson
from landfall.errors import InvalidInput


@given(st.floats(0.1, 1000), st.integers(1, 300), st.integers())
def test_a_schedule_is_the_same_for_the_same_seed(rate: float, requests: int, seed: int) -> None:
    found = poisson(rate=rate, requests=requests, seed=seed)
    assert len(found) == requests
    assert list(found) == sorted(found)
    assert found[0] >= 0
    assert found == poisson(rate=rate, requests=requests, seed=seed)


@given(st.integers(0, 50))
def test_gaps_are_exponential(seed: int) -> None:
    found = poisson(rate=20, requests=4000, seed=seed)
    gaps = [after - before for before, after in itertools.pairwise(found)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((each - mean) ** 2 for each in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(1 / 20, rel=0.15)
    assert spread == pytest.approx(mean, rel=0.15)  # a regular clock would have none


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        poisson(rate=0, requests=-1, seed=1)
    assert [each.path for each in caught.value.problems] == ["rate", "requests"]
