"""Histograms, as the server's own metrics write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.judge import latency
from engines.serve.metrics import FIRST_TOKEN_BUCKETS, Metrics
from tests.engines.stored import predicate


def page(*seconds: float) -> str:
    metrics = Metrics("tiny-lm", predicate())
    for number, each in enumerate(seconds):
        operation = "chat" if number % 2 else "text_completion"
        metrics.answered(operation, first_s=each, rest_s=0.0, tokens=1)
    return metrics.text().decode()


def read(*seconds: float) -> latency.Histogram:
    return latency.histogram(page(*seconds), latency.FIRST_TOKEN)


@given(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=50))
def test_a_quantile_lies_in_the_bucket_of_the_value(seconds: list[float]) -> None:
    found = read(*seconds)
    assert latency.count(found) == len(seconds)
    value = sorted(seconds)[max(-(-len(seconds) * 95 // 100), 1) - 1]
    upper = min(each for each in (*FIRST_TOKEN_BUCKETS, float("inf")) if value <= each)
    lower = max((each for each in FIRST_TOKEN_BUCKETS if each < upper), default=0.0)
    quantile = latency.quantile(found, 0.95)
    assert lower <= quantile <= upper


def test_only_what_came_since_counts() -> None:
    found = latency.since(read(5.0, 5.0), read(5.0, 5.0, 0.005))
    assert latency.count(found) == 1
    assert latency.quantile(found, 0.95) <= 0.005


def test_an_engine_that_was_restarted_counts_anew() -> None:
    assert latency.since(read(5.0, 5.0), read(0.005)) == read(0.005)


@pytest.mark.parametrize("text", ["", "something_else 1\n"])
def test_without_values_nothing_is_known(text: str) -> None:
    found = latency.histogram(text, latency.FIRST_TOKEN)
    assert (latency.count(found), latency.quantile(found, 0.95)) == (0, 0.0)
