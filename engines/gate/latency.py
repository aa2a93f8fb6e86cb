"""Latency under a stated load: the real server, open-loop arrivals, bounds on the 95th percentile.

The server loads nothing that is not signed, so the engine is signed here with a key that is made
for this and forgotten at once: it lies outside the engine, and no host knows it.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engines import sign
from engines.load.ask import Answer, Target, ask
from engines.load.run import run
from engines.load.schedule import poisson
from engines.load.statistics import Report, summarise
from engines.manifest import Outcome
from engines.source import EVALUATION
from engines.spec import LatencyGate
from landfall import process
from landfall.errors import GateFailed

READY_S = 120.0
TOKENS = 16
"""Of one answer: a gap between tokens needs two, and its mean some more."""
PROMPT_CHARACTERS = 48
SEED = 1
"""The same load for every build."""

Asks = Callable[[str], Answer]


def measure(gate: LatencyGate, name: str, engine: Path, model: Path) -> Outcome:
    """Serve the engine on this host and measure it under the load that its spec states.

    Args:
        gate: the load and the bounds.
        name: the served name.
        engine: the engine's folder, with its manifest.
        model: the model's folder, whose held-out text is asked.

    Raises:
        GateFailed: a bound was missed, or a request failed; with all figures.
    """
    lines = (model / EVALUATION).read_text(encoding="utf-8").splitlines()
    prompts = [line[:PROMPT_CHARACTERS] for line in lines if line.strip()]
    arrivals = poisson(rate=gate.requests_per_second, requests=gate.requests, seed=SEED)
    with served(name, engine, ask, prompts[0]) as asks:
        return judge(gate, summarise(run(asks, arrivals, prompts)))


def judge(gate: LatencyGate, report: Report) -> Outcome:
    """Compare what was measured with the bounds.

    Raises:
        GateFailed: with everything that was missed; also where nothing was measured.
    """
    bounds = (
        Bound("first token", "ttft_p95_ms", report.first_token.p95, gate.ttft_p95_ms),
        Bound("between tokens", "tpot_p95_ms", report.per_token.p95, gate.tpot_p95_ms),
    )
    return compare(report, bounds, rate=gate.requests_per_second)


class Bound(NamedTuple):
    """A 95th percentile, in seconds, and its bound in milliseconds; `figure`: in the manifest."""

    told: str
    figure: str
    found_s: float
    bound_ms: float


def compare(report: Report, bounds: Sequence[Bound], *, rate: float) -> Outcome:
    """Compare what was measured at `rate` requests a second with its bounds.

    Raises:
        GateFailed: with everything that was missed; also where nothing was measured.
    """
    missed = [
        f"{each.told} p95 {each.found_s * 1000:.1f} ms, the bound is {each.bound_ms:g} ms"
        for each in bounds
        # nothing measured is not a number, and no bound is kept by that
        if not each.found_s * 1000 <= each.bound_ms
    ]
    if report.failed or not report.requests:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.errors.items())
        missed.append(f"{report.failed} of {report.requests} requests failed ({kinds or 'none'})")
    if missed:
        raise GateFailed(
            f"latency at {rate:g} requests a second: {'; '.join(missed)}",
            hint=f"The generator itself was late by {report.lag.p95 * 1000:.1f} ms at p95.",
        )
    figures = {
        "requests": float(report.requests),
        "requests_per_second": rate,
        **{each.figure: round(each.found_s * 1000, 3) for each in bounds},
        "generator_late_p95_ms": round(report.lag.p95 * 1000, 3),
    }
    return Outcome(name="latency", outcome="passed", figures=figures)


@contextmanager
def served(
    name: str, engine: Path, how: Callable[[Target, str], Answer], first: str
) -> Iterator[Asks]:
    """Serve an engine on loopback while the block runs; what sends it a prompt.

    Args:
        name: the served name.
        engine: the engine's folder, with its manifest.
        how: sends a prompt to a server.
        first: what is asked until it is answered.

    Raises:
        GateFailed: it does not become ready.
    """
    with tempfile.TemporaryDirectory(prefix="landfall-gate-") as folder:
        work = Path(folder)
        private, public = sign.generate_keys(work / "keys")
        sign.sign(engine, work / "engine.sig", private)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        words: list[str | Path] = [sys.executable, "-m", "engines.serve", "--engine", engine]
        words += ["--signature", work / "engine.sig", "--public-key", public]
        words += ["--port", str(port), "--name", name]
        record = work / "server.json"
        server = process.spawn(words, name="server", record=record, log=work / "server.log")
        target = Target(url=f"http://127.0.0.1:{port}", model=name, max_tokens=TOKENS, chat=False)
        asks = partial(how, target)
        try:
            ready = process.wait_until(
                lambda: not server.alive() or not asks(first).error, timeout_s=READY_S
            )
            if not ready or not server.alive():
                raise GateFailed(f"latency: {name} does not get ready\n{server.tail()}")
            yield asks
        finally:
            server.stop()
