"""chrF, by its properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.judge.quality import chrf

SENTENCE = "A landfall is where a cable comes ashore."


@given(st.text(), st.text(min_size=1))
def test_it_is_a_share(answer: str, expected: str) -> None:
    assert 0.0 <= chrf(answer, expected) <= 1.0


@given(st.text(min_size=1))
def test_the_same_is_all_of_it(text: str) -> None:
    assert chrf(text, text) == pytest.approx(1.0)


def test_sense_is_closer_than_nonsense() -> None:
    near = chrf("A landfall is where the cable comes ashore.", SENTENCE)
    half = chrf("A landfall is something else.", SENTENCE)
    nonsense = chrf("xq#7 zzzz kkkk qqqq", SENTENCE)
    assert 1.0 > near > half > nonsense
    assert nonsense < 0.1
    assert chrf("", SENTENCE) == 0.0
