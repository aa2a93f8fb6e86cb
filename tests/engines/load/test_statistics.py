"""Statistics over outcomes, by their properties."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from engines.load.outcome import Outcome
from engines.load.statistics import quantile, summarise

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)
shares = st.floats(0.01, 1.0)


def outcome(due: float = 1.0, error: str = "", **more: float) -> Outcome:
    given = {"sent": due, "first": 0.1, "ended": 0.5, **more}
    return Outcome(due=due, tokens=5, error=error, **given)


@given(values, shares)
def test_a_quantile_is_a_value_that_enough_do_not_exceed(found: list[float], share: float) -> None:
    bound = quantile(found, share)
    assert bound in found
    assert sum(each <= bound for each in found) >= share * len(found)
    assert sum(each < bound for each in found) < share * len(found)


@given(values, shares, st.floats(0, 100))
def test_a_slower_server_has_no_smaller_quantile(
    found: list[float], share: float, more: float
) -> None:
    slower = [each + more for each in found]
    assert quantile(slower, share) >= quantile(found, share)
    assert quantile(found, 0.5) <= quantile(found, 0.95) <= quantile(found, 0.99)


errors = st.sampled_from(["", "", "429", "503", "cut", "timeout"])


@given(st.lists(st.tuples(st.floats(0, 100), errors), max_size=60))
def test_every_request_is_counted_once(found: list[tuple[float, str]]) -> None:
    report = summarise(outcome(due, error) for due, error in found)
    assert report.requests == len(found)
    assert report.failed == sum(report.errors.values())
    assert report.failed == sum(1 for _, error in found if error)
    assert "" not in report.errors


def test_failed_requests_do_not_improve_latencies() -> None:
    slow = [outcome(first=2.0, ended=4.0)] * 10
    quick_failures = [outcome(error="503", first=0.0, ended=0.001)] * 90
    assert summarise([*slow, *quick_failures]).whole == summarise(slow).whole


def test_nothing_is_known_of_nothing() -> None:
    report = summarise([])
    assert (report.requests, report.failed, report.achieved_rate) == (0, 0, 0.0)
    assert math.isnan(report.whole.p95)


def test_time_per_token_is_that_between_tokens() -> None:
    assert outcome(first=0.1, ended=0.5).per_token == 0.1
    assert Outcome(due=0, sent=0, first=0.1, ended=0.1, tokens=1).per_token is None


def test_rates() -> None:
    report = summarise(outcome(due=number / 10) for number in range(1, 101))
    assert report.asked_rate == 10.0
    assert report.achieved_rate == 100 / 10.5
