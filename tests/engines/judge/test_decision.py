"""The judge's decision: never on too little, never the other way round."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.judge.decision import Bounds, Seen, at_least, decide

BOUNDS = Bounds()
counts = st.integers(0, 500)
seconds = st.floats(0, 10)
qualities = st.floats(0, 1)


@st.composite
def seen(draw: st.DrawFn) -> Seen:
    requests = draw(counts)
    return Seen(
        requests=requests,
        failed=draw(st.integers(0, requests)),
        first_tokens=draw(counts),
        first_token_p95=draw(seconds),
        gaps=draw(counts),
        gap_p95=draw(seconds),
        probes=draw(st.integers(0, 20)),
        quality=draw(qualities),
    )


few = BOUNDS.requests - 1


@given(seen(), seen(), st.integers(0, few), st.integers(0, BOUNDS.probes - 1))
def test_nothing_is_decided_on_too_little(
    proven: Seen, canary: Seen, requests: int, probes: int
) -> None:
    little = replace(
        canary, requests=requests, failed=requests, first_tokens=requests, gaps=requests,
        probes=probes,
    )  # fmt: skip
    for one, other in ((proven, little), (little, canary), (Seen(), Seen())):
        verdict = decide(proven=one, canary=other, bounds=BOUNDS)
        assert not verdict.withdraw
        assert len(verdict.waiting) == 4


@given(seen(), seen(), st.integers(0, 50), seconds, seconds, qualities)
def test_a_worse_canary_is_never_kept_where_a_better_one_was_not(
    proven: Seen, canary: Seen, failed: int, first: float, gap: float, quality: float
) -> None:
    worse = replace(
        canary,
        failed=min(canary.failed + failed, canary.requests),
        first_token_p95=canary.first_token_p95 + first,
        gap_p95=canary.gap_p95 + gap,
        quality=max(canary.quality - quality, 0.0),
    )
    before = decide(proven=proven, canary=canary, bounds=BOUNDS)
    after = decide(proven=proven, canary=worse, bounds=BOUNDS)
    assert after.withdraw >= before.withdraw
    assert len(after.reasons) >= len(before.reasons)


@given(seen())
def test_what_is_as_good_as_the_proven_engine_stays(found: Seen) -> None:
    assert decide(proven=found, canary=found, bounds=BOUNDS).reasons == ()


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_the_interval_lies_below_the_rate(failed: int, more: int) -> None:
    requests = failed + more
    assert 0 <= at_least(failed, requests) <= failed / requests
    assert at_least(failed, requests) <= at_least(failed + 1, requests)
    # ten times as much of the same is better known
    assert at_least(10 * failed, 10 * requests) >= at_least(failed, requests)


GOOD = Seen(
    requests=200, failed=0, first_tokens=200, first_token_p95=0.05, gaps=900, gap_p95=0.01,
    probes=8, quality=0.8,
)  # fmt: skip
CASES = {
    "errors": ({"requests": 40, "failed": 8}, "errors: 8 of 40 requests failed"),
    "slow to begin": ({"first_token_p95": 0.2}, "first token: p95 is 200 ms, the bound is 125 ms"),
    "slow to go on": ({"gap_p95": 0.05}, "between tokens: p95 is 50 ms, the bound is 20 ms"),
    "nonsense": ({"quality": 0.1}, "quality: answers to 8 probes are 0.10 of what is expected"),
}


WHOLE = Seen(kind="embedding", requests=200, answers=200, answer_p95=0.05, probes=8, quality=1.0)
WORSE = {
    "errors": ({"failed": 40}, "errors: 40 of 200 requests failed"),
    "slow": ({"answer_p95": 0.2}, "answer: p95 is 200 ms, the bound is 125 ms"),
    "other vectors": ({"quality": 0.7}, "quality: answers to 8 probes are 0.70"),
}


@pytest.mark.parametrize(("worse", "reason"), WORSE.values(), ids=WORSE)
def test_answers_that_come_whole(worse: dict[str, float], reason: str) -> None:
    canary = replace(WHOLE, **worse)  # type: ignore[arg-type]
    [found] = decide(proven=WHOLE, canary=canary, bounds=BOUNDS).reasons
    assert found.startswith(reason)
    assert decide(proven=WHOLE, canary=WHOLE, bounds=BOUNDS).waiting == ()


def test_what_cannot_be_sampled_is_not_waited_for() -> None:
    without = replace(WHOLE, probes=0, quality=0.0)
    assert decide(proven=without, canary=without, bounds=BOUNDS).waiting == ()
    few_ = replace(without, answers=3)
    [waits] = decide(proven=without, canary=few_, bounds=BOUNDS).waiting
    assert waits == "answer: 200 and 3 were measured, 20 of each are needed"


@pytest.mark.parametrize(("worse", "reason"), CASES.values(), ids=CASES)
def test_the_reason_has_the_figures(worse: dict[str, float], reason: str) -> None:
    canary = replace(GOOD, **worse)  # type: ignore[arg-type]
    verdict = decide(proven=GOOD, canary=canary, bounds=BOUNDS)
    [found] = verdict.reasons
    assert found.startswith(reason)


def test_one_failure_among_few_is_not_held_against_it() -> None:
    canary = replace(GOOD, requests=20, failed=1)
    assert not decide(proven=GOOD, canary=canary, bounds=BOUNDS).withdraw
