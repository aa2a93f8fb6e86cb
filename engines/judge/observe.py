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
        remembered: the histograms as they were then, by key; made where they are not there.
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
    page = read(engine.port)
    names = (latency.FIRST_TOKEN, latency.NEXT_TOKEN)
    now = {name: latency.histogram(page, name) for name in names}
    # Taken before the probes are asked: what the judge itself asks is not traffic.
    before = remembered.setdefault(engine.key, now)
    first, gaps = (latency.since(before[name], now[name]) for name in names)
    requests, failed = counts.get(str(engine.port), (0, 0))
    scores = _scores(engine.port, trial.name, trial.probes, asks)
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
