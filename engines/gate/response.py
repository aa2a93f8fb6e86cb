"""Whole answers under a stated load: the real server, open-loop arrivals, a bound on the p95."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from engines.bounds import ResponseGate
from engines.gate.latency import SEED, served
from engines.load.ask import Answer, Target
from engines.load.run import run
from engines.load.schedule import poisson
from engines.load.statistics import Report, summarise
from engines.load.whole import post
from engines.manifest import Outcome
from landfall.errors import GateFailed


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
    p95, late = report.whole.p95 * 1000, report.lag.p95 * 1000
    missed = []
    if not p95 <= gate.p95_ms:  # nothing measured is not a number, and keeps no bound
        missed.append(f"answer p95 {p95:.1f} ms, the bound is {gate.p95_ms:g} ms")
    if report.failed or not report.requests:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.errors.items())
        missed.append(f"{report.failed} of {report.requests} requests failed ({kinds or 'none'})")
    if missed:
        raise GateFailed(
            f"latency at {gate.requests_per_second:g} requests a second: {'; '.join(missed)}",
            hint=f"The generator itself was late by {late:.1f} ms at p95.",
        )
    figures = {
        "requests": float(report.requests),
        "requests_per_second": gate.requests_per_second,
        "p95_ms": round(p95, 3),
        "generator_late_p95_ms": round(late, 3),
    }
    return Outcome(name="latency", outcome="passed", figures=figures)


def _ask(path: str, target: Target, body: str) -> Answer:
    return post(target, path, body)
