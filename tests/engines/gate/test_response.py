"""Whole answers under a stated load: the bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.gate import response
from engines.load.outcome import Outcome
from engines.load.statistics import Report, summarise
from engines.spec import ResponseGate
from landfall.errors import GateFailed

GATE = ResponseGate(requests_per_second=20, requests=20, p95_ms=100)


def report(took: float = 0.05, failed: int = 0) -> Report:
    whole = [Outcome(due=at, sent=at, first=None, ended=took, tokens=0) for at in range(1, 21)]
    cut = [replace(each, error="500") for each in whole[:failed]]
    return summarise(whole[failed:] + cut)


def test_within_the_bound() -> None:
    found = response.judge(GATE, report())
    assert (found.name, found.outcome) == ("latency", "passed")
    assert (found.figures["p95_ms"], found.figures["requests"]) == (50.0, 20.0)


MISSED: dict[str, tuple[Report, str]] = {
    "slow": (report(took=0.2), "answer p95 200.0 ms, the bound is 100 ms"),
    "one failed": (report(failed=1), r"1 of 20 requests failed \(1 500\)"),
    "all failed": (report(failed=20), "answer p95 nan ms"),
    "nothing was asked": (summarise([]), "0 of 0 requests failed"),
}


@pytest.mark.parametrize(("found", "reason"), MISSED.values(), ids=MISSED)
def test_what_is_missed(found: Report, reason: str) -> None:
    with pytest.raises(GateFailed, match=reason):
        response.judge(GATE, found)
