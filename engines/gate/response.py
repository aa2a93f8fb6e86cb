"""Whole answers under a stated load: the real server, open-loop arrivals, a bound on the p95."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engines.bounds import ResponseGate
from engines.gate.latency import SEED, Bound, compare, served
from engines.load.ask import Answer, Target
from engines.load.run import run
from engines.load.schedule import poisson
from engines.load.statistics import Report, summarise
from engines.load.whole import post
from engines.manifest import Outcome


def measure(
    gate: ResponseGate, name: str, engine: Path, *, path: str, bodies: Sequence[str]
) -> Outcome:
    """Serve the engine on this host and measure it under the load that its spec states.

    Args:
        gate: the load and the bound.
        name: the served name.
        engine: the engine's folder, with its manifest.
        path: of the interface, below the server's address.
        bodies: sent in turn.

    Raises:
        GateFailed: the bound was missed, or a request failed; with all figures.
    """
    arrivals = poisson(rate=gate.requests_per_second, requests=gate.requests, seed=SEED)
    with served(name, engine, partial(_ask, path), bodies[0]) as asks:
        return judge(gate, summarise(run(asks, arrivals, bodies)))


def judge(gate: ResponseGate, report: Report) -> Outcome:
    """Compare what was measured with the bound.

    Raises:
        GateFailed: with everything that was missed; also where nothing was measured.
    """
    bounds = (Bound("answer", "p95_ms", report.whole.p95, gate.p95_ms),)
    return compare(report, bounds, rate=gate.requests_per_second)


def _ask(path: str, target: Target, body: str) -> Answer:
    return post(target, path, body)
