"""What is seen of a canary and of the proven engine since the canary began."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engines.judge import alike, latency
from engines.judge.alike import TURNED_AWAY, Posts
from engines.judge.config import Judged, Trial
from engines.judge.decision import TEXT, Seen
from engines.judge.quality import chrf
from engines.judge.traffic import Counts
from engines.load.ask import Answer, Target, ask
from engines.load.whole import post
from landfall.model.trial import Probe

TIMEOUT_S = 10.0
PROBE_TOKENS = 64
"""Of one answer to a probe: enough to tell sense from nonsense, little enough for every minute."""
SHARE = 0.95
NAMES = (latency.FIRST_TOKEN, latency.NEXT_TOKEN, latency.WHOLE)

Asks = Callable[[Target, str], Answer]
Fetch = Callable[[int], str]


def fetch(port: int) -> str:
    """The page of metrics of the engine on `port`; empty where it does not answer."""
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError, urllib.error.URLError):
        return ""


def observe(
    trial: Trial,
    counts: Counts,
    remembered: dict[str, Any],
    *,
    asks: Asks = ask,
    posts: Posts = post,
    read: Fetch = fetch,
) -> tuple[Seen, Seen]:
    """What was seen of both engines: proven, canary.

    Args:
        trial: the two, and the probes.
        counts: of the gateway's log, since the canary began.
        remembered: by key, the histograms of the traffic since then; kept up to date.
        asks: sends a probe to engines that generate text.
        posts: sends one to all others.
        read: reads an engine's metrics.
    """
    both = (trial.proven, trial.canary)
    pages = [read(each.port) for each in both]
    about = [latency.labels(page) for page in pages]
    for each, page in zip(both, pages, strict=True):
        _add(remembered.setdefault(each.key, {}), _histograms(page))
    kind = about[0].get("kind", TEXT)
    scores = _sampled(trial, kind, about, asks, posts)
    found = [
        _seen(each, kind, counts, remembered[each.key]["total"], of_it)
        for each, of_it in zip(both, scores, strict=True)
    ]
    for each in both:
        # What the judge itself asks is no traffic: the next time counts from here.
        remembered[each.key]["last"] = _histograms(read(each.port))
    return found[0], found[1]


def _seen(
    engine: Judged, kind: str, counts: Counts, total: dict[str, Any], scores: Sequence[float]
) -> Seen:
    requests, failed = counts.get(str(engine.port), (0, 0))
    first, gaps, whole = (total[name] for name in NAMES)
    return Seen(
        kind=kind,
        requests=requests,
        failed=failed,
        first_tokens=latency.count(first),
        first_token_p95=latency.quantile(first, SHARE),
        gaps=latency.count(gaps),
        gap_p95=latency.quantile(gaps, SHARE),
        answers=latency.count(whole),
        answer_p95=latency.quantile(whole, SHARE),
        probes=len(scores),
        quality=sum(scores) / len(scores) if scores else 0.0,
    )


def _histograms(page: str) -> dict[str, latency.Histogram]:
    return {name: latency.histogram(page, name) for name in NAMES}


def _add(mine: dict[str, Any], now: dict[str, latency.Histogram]) -> None:
    """Add what came since the last time to what came before it; the first time is the beginning."""
    last, total = mine.get("last", now), mine.setdefault("total", {})
    for name, found in now.items():
        more = latency.since(last.get(name, found), found)
        before = total.get(name, {})
        total[name] = {bound: before.get(bound, 0.0) + value for bound, value in more.items()}


def _sampled(
    trial: Trial, kind: str, about: Sequence[Mapping[str, str]], asks: Asks, posts: Posts
) -> tuple[list[float], list[float]]:
    """The scores of both engines, by what is a measure of their kind."""
    if kind == TEXT:
        probes = [each for each in trial.probes if each.expected]
        proven, canary = (
            _scores(each.port, trial.name, probes, asks) for each in (trial.proven, trial.canary)
        )
        return proven, canary
    made = [(each.get("kind"), each.get("model"), each.get("version")) for each in about]
    # An engine that does not tell of itself, since it is down, is asked all the same.
    if about[1] and made[0] != made[1]:
        return [], []
    proven_, canary_ = (_target(each.port, trial.name) for each in (trial.proven, trial.canary))
    found = alike.scores(kind, proven_, canary_, trial.probes, posts)
    return [1.0] * len(found), found


def _scores(port: int, name: str, probes: Sequence[Probe], asks: Asks) -> list[float]:
    """How close each answer was; an engine that cannot answer is as far off as can be."""
    target = _target(port, name)
    answers = [(asks(target, each.prompt), each.expected) for each in probes]
    return [
        0.0 if answer.error else chrf(answer.text, expected)
        for answer, expected in answers
        if answer.error not in TURNED_AWAY
    ]


def _target(port: int, name: str) -> Target:
    return Target(
        url=f"http://127.0.0.1:{port}", model=name, max_tokens=PROBE_TOKENS, timeout_s=TIMEOUT_S
    )
