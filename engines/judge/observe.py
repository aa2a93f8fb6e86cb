"""What is seen of a canary and of the proven engine since the canary began."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

from engines.judge import latency
from engines.judge.config import Judged, Trial
from engines.judge.decision import Seen
from engines.judge.quality import chrf
from engines.judge.traffic import Counts
from engines.load.ask import Answer, Target, ask
from landfall.model.trial import Probe

TIMEOUT_S = 10.0
PROBE_TOKENS = 64
"""Of one answer to a probe: enough to tell sense from nonsense, little enough for every minute."""
TURNED_AWAY = frozenset({"429", "503"})
"""An engine that is full or starting says nothing of its quality."""
SHARE = 0.95

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
    read: Fetch = fetch,
) -> tuple[Seen, Seen]:
    """What was seen of both engines: proven, canary.

    Args:
        trial: the two, and the probes.
        counts: of the gateway's log, since the canary began.
        remembered: by key, the histograms of the traffic since then; kept up to date.
        asks: sends a probe.
        read: reads an engine's metrics.
    """
    proven, canary = (
        _of(each, trial, counts, remembered, asks=asks, read=read)
        for each in (trial.proven, trial.canary)
    )
    return proven, canary


def _of(
    engine: Judged,
    trial: Trial,
    counts: Counts,
    remembered: dict[str, Any],
    *,
    asks: Asks,
    read: Fetch,
) -> Seen:
    first, gaps = _traffic(remembered.setdefault(engine.key, {}), _histograms(read(engine.port)))
    requests, failed = counts.get(str(engine.port), (0, 0))
    scores = _scores(engine.port, trial.name, trial.probes, asks)
    # What the judge itself asks is no traffic: the next time counts from here.
    remembered[engine.key]["last"] = _histograms(read(engine.port))
    return Seen(
        requests=requests,
        failed=failed,
        first_tokens=latency.count(first),
        first_token_p95=latency.quantile(first, SHARE),
        gaps=latency.count(gaps),
        gap_p95=latency.quantile(gaps, SHARE),
        probes=len(scores),
        quality=sum(scores) / len(scores) if scores else 0.0,
    )


def _histograms(page: str) -> dict[str, latency.Histogram]:
    names = (latency.FIRST_TOKEN, latency.NEXT_TOKEN)
    return {name: latency.histogram(page, name) for name in names}


def _traffic(
    mine: dict[str, Any], now: dict[str, latency.Histogram]
) -> tuple[latency.Histogram, latency.Histogram]:
    """Add what came since the last time to what came before it; the first time is the beginning."""
    last, total = mine.get("last", now), mine.setdefault("total", {})
    for name, found in now.items():
        more = latency.since(last[name], found)
        before = total.get(name, {})
        total[name] = {bound: before.get(bound, 0.0) + value for bound, value in more.items()}
    return total[latency.FIRST_TOKEN], total[latency.NEXT_TOKEN]


def _scores(port: int, name: str, probes: Sequence[Probe], asks: Asks) -> list[float]:
    """How close each answer was; an engine that cannot answer is as far off as can be."""
    target = Target(
        url=f"http://127.0.0.1:{port}", model=name, max_tokens=PROBE_TOKENS, timeout_s=TIMEOUT_S
    )
    answers = [(asks(target, each.prompt), each.expected) for each in probes]
    return [
        0.0 if answer.error else chrf(answer.text, expected)
        for answer, expected in answers
        if answer.error not in TURNED_AWAY
    ]
