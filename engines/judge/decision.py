"""Whether a canary is taken out of the traffic. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

TEXT = "text_generation"
"""The kind whose answers come token by token; those of all others come whole."""
CERTAIN = 1.96
"""Standard deviations of the interval around an error rate: 95 of 100 such intervals hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one engine since its canary began. Latencies in seconds.

    Attributes:
        kind: of the engines: it decides which latencies count.
        requests: that it was given and that have ended.
        failed: how many of them failed, were cut, or had to be given to its neighbour.
        first_tokens: how many times to the first token were measured, and their 95th percentile.
        gaps: how many times between tokens were measured, and their 95th percentile.
        answers: how many whole answers were measured, and their 95th percentile.
        probes: how many probes it was asked.
        quality: how close its answers to the probes were to what was expected, from 0 to 1.
    """

    kind: str = TEXT
    requests: int = 0
    failed: int = 0
    first_tokens: int = 0
    first_token_p95: float = 0.0
    gaps: int = 0
    gap_p95: float = 0.0
    answers: int = 0
    answer_p95: float = 0.0
    probes: int = 0
    quality: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much worse a canary may be, and how much must be seen before that is judged.

    Attributes:
        requests: of each engine, before errors and latencies are judged.
        probes: of each engine, before quality is judged.
        failed: share of requests that may fail beyond what fails with the proven engine.
        slower: how many times the proven engine's 95th percentile.
        slack_s: and so many seconds more, for the first token, or an answer that comes whole.
        gap_slack_s: the same between tokens.
        worse: share by which answers may be less close to what is expected than the proven
            engine's, from 0 to 1.
    """

    requests: int = 20
    probes: int = 6
    failed: float = 0.02
    slower: float = 1.5
    slack_s: float = 0.05
    gap_slack_s: float = 0.005
    worse: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows. `reasons` are for taking the canary out, `waiting` is not judged yet."""

    reasons: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def withdraw(self) -> bool:
        """Whether the canary gets no more traffic."""
        return bool(self.reasons)


def decide(*, proven: Seen, canary: Seen, bounds: Bounds) -> Verdict:
    """Judge a canary. What too little was seen of is not judged."""
    waiting = tuple(_waiting(proven, canary, bounds))
    return Verdict(reasons=tuple(_reasons(proven, canary, bounds)), waiting=waiting)


def at_least(failed: int, requests: int) -> float:
    """The lowest error rate that `failed` of `requests` still goes with (Wilson's interval)."""
    if not requests:
        return 0.0
    rate, square = failed / requests, CERTAIN**2 / requests
    spread = CERTAIN * math.sqrt(rate * (1 - rate) / requests + square / (4 * requests))
    lowest = (rate + square / 2 - spread) / (1 + square)
    return min(max(lowest, 0.0), rate)  # rounding alone puts it outside


def _reasons(proven: Seen, canary: Seen, bounds: Bounds) -> Iterator[str]:
    if _enough(proven.requests, canary.requests, bounds.requests):
        usual, lowest = proven.failed / proven.requests, at_least(canary.failed, canary.requests)
        if lowest > usual + bounds.failed:
            yield (
                f"errors: {canary.failed} of {canary.requests} requests failed, so at least"
                f" {lowest:.1%} do; of the proven engine's, {usual:.1%}"
            )
    for name, counts, ours, theirs, slack in _latencies(proven, canary, bounds):
        bound = bounds.slower * theirs + slack
        if _enough(*counts, bounds.requests) and ours > bound:
            yield (
                f"{name}: p95 is {ours * 1000:.0f} ms, the bound is {bound * 1000:.0f} ms"
                f" (proven: {theirs * 1000:.0f} ms)"
            )
    if _enough(proven.probes, canary.probes, bounds.probes) and canary.quality < proven.quality * (
        1 - bounds.worse
    ):
        yield (
            f"quality: answers to {canary.probes} probes are {canary.quality:.2f} of what is"
            f" expected, the proven engine's {proven.quality:.2f}"
        )


def _waiting(proven: Seen, canary: Seen, bounds: Bounds) -> Iterator[str]:
    if not _enough(proven.requests, canary.requests, bounds.requests):
        seen = f"{proven.requests} and {canary.requests}"
        yield f"errors: {seen} requests were seen, {bounds.requests} of each are needed"
    for name, counts, *_ in _latencies(proven, canary, bounds):
        if not _enough(*counts, bounds.requests):
            seen = f"{counts[0]} and {counts[1]}"
            yield f"{name}: {seen} were measured, {bounds.requests} of each are needed"
    # The others are sampled only where both engines are made of one version: see `alike`.
    sampled = proven.kind == TEXT or proven.probes or canary.probes
    if sampled and not _enough(proven.probes, canary.probes, bounds.probes):
        seen = f"{proven.probes} and {canary.probes}"
        yield f"quality: {seen} probes were answered, {bounds.probes} of each are needed"


def _latencies(
    proven: Seen, canary: Seen, bounds: Bounds
) -> Iterator[tuple[str, tuple[int, int], float, float, float]]:
    if proven.kind != TEXT:
        whole = (proven.answers, canary.answers)
        yield "answer", whole, canary.answer_p95, proven.answer_p95, bounds.slack_s
        return
    first = (proven.first_tokens, canary.first_tokens)
    gaps = (proven.gaps, canary.gaps)
    yield "first token", first, canary.first_token_p95, proven.first_token_p95, bounds.slack_s
    yield "between tokens", gaps, canary.gap_p95, proven.gap_p95, bounds.gap_slack_s


def _enough(proven: int, canary: int, needed: int) -> bool:
    return min(proven, canary) >= max(needed, 1)
