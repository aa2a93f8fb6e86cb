"""What a load test found, from the outcomes of its requests. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engines.load.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """Half, 95 and 99 percent of the values are at most this, in seconds; NaN without values."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A load test.

    Attributes:
        requests: how many were due.
        failed: how many got no whole answer.
        errors: how many failed, by kind.
        asked_rate: requests per second that the schedule held.
        achieved_rate: whole answers per second, until the last one ended.
        first_token: from due to the first token.
        per_token: between two tokens of one answer.
        whole: from due to the end.
        lag: from due to sent: what the generator itself was late.
        tokens: of all answers.
    """

    requests: int
    failed: int
    errors: Mapping[str, int]
    asked_rate: float
    achieved_rate: float
    first_token: Quantiles
    per_token: Quantiles
    whole: Quantiles
    lag: Quantiles
    tokens: int


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of `values` do not exceed; NaN without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def quantiles(values: Iterable[float]) -> Quantiles:
    """The three that are reported."""
    found = list(values)
    return Quantiles(p50=quantile(found, 0.5), p95=quantile(found, 0.95), p99=quantile(found, 0.99))


def summarise(outcomes: Iterable[Outcome]) -> Report:
    """The report over all outcomes. Latencies are those of answers that came whole."""
    found = list(outcomes)
    whole = [each for each in found if not each.error]
    errors = Counter(each.error for each in found if each.error)
    last_due = max((each.due for each in found), default=0.0)
    last_end = max((each.due + each.ended for each in whole), default=0.0)
    return Report(
        requests=len(found),
        failed=len(found) - len(whole),
        errors=dict(sorted(errors.items())),
        asked_rate=len(found) / last_due if last_due else 0.0,
        achieved_rate=len(whole) / last_end if last_end else 0.0,
        first_token=quantiles(each.first for each in whole if each.first is not None),
        per_token=quantiles(each.per_token for each in whole if each.per_token is not None),
        whole=quantiles(each.ended for each in whole),
        lag=quantiles(each.sent - each.due for each in found),
        tokens=sum(each.tokens for each in whole),
    )
