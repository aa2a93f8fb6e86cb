"""A load test through an environment's gateway, and its report as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from rich.table import Table

from engines.load import ask, schedule, whole
from engines.load import run as runs
from engines.load.ask import Target
from engines.load.statistics import Quantiles, Report, summarise
from landfall.cli.flow import gateway
from landfall.errors import InvalidInput, Problem
from landfall.model.environment import Environment

PROMPTS = ("What is Landfall?", "What does the gateway do?", "What is an engine?")
"""What is asked where nothing is given."""
TEXT, EMBEDDING, GRAPH = "text_generation", "embedding", "onnx_graph"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A load: `rate` in requests per second, `tokens` of the longest answer.

    `kind` is that of the engine: it decides what `prompts` are, a text or a graph's whole body.
    """

    name: str
    rate: float
    requests: int
    tokens: int
    seed: int = 1
    prompts: tuple[str, ...] = ()
    kind: str = TEXT


def target(environment: Environment, wanted: Wanted, *, tenant: str, url: str = "") -> Target:
    """Who is asked: the gateway, with a tenant's key, or the server at `url`, without one."""
    if url:
        return Target(url=url, model=wanted.name, max_tokens=wanted.tokens)
    endpoint = gateway.endpoint(environment, tenant)
    return Target(
        url=f"{endpoint.url}/{wanted.name}",
        model=wanted.name,
        max_tokens=wanted.tokens,
        api_key=endpoint.api_key,
    )


def asks(asked: Target, wanted: Wanted) -> runs.Asks:
    """What sends one prompt, as the kind of the engine is asked.

    Raises:
        InvalidInput: there is no such kind, or nothing that a graph could be asked.
    """
    name = wanted.name
    if wanted.kind == GRAPH and wanted.prompts:
        return lambda prompt: whole.post(asked, whole.infer(name), prompt)
    if wanted.kind == EMBEDDING:
        return lambda text: whole.post(asked, whole.EMBEDDINGS, whole.embedding(name, text))
    if wanted.kind == TEXT:
        return lambda prompt: ask.ask(asked, prompt)
    message = f"must be {TEXT}, {EMBEDDING} or {GRAPH}, not {wanted.kind!r}"
    if wanted.kind == GRAPH:
        message = "needs --prompt: the whole body of a request, as JSON"
    raise InvalidInput("load", [Problem(path="kind", message=message)])


def start(asked: Target, wanted: Wanted) -> runs.Run:
    """Begin to send, in the background.

    Raises:
        InvalidInput: there is no such kind, or nothing that a graph could be asked.
    """
    going = runs.Run(
        ask=asks(asked, wanted),
        arrivals=schedule.poisson(rate=wanted.rate, requests=wanted.requests, seed=wanted.seed),
        prompts=wanted.prompts or PROMPTS,
    )
    going.start()
    return going


def run(asked: Target, wanted: Wanted) -> Report:
    """Send everything, and report."""
    return summarise(start(asked, wanted).wait())


def table(report: Report) -> Table:
    """A report that people can scan."""
    made = Table("what", "p50", "p95", "p99", box=None, padding=(0, 2))
    for name, found in _rows(report):
        made.add_row(name, *(_ms(each) for each in (found.p50, found.p95, found.p99)))
    errors = ", ".join(f"{count} {kind}" for kind, count in report.errors.items())
    made.add_section()
    made.add_row("requests", f"{report.requests}", "", "")
    made.add_row("failed", f"{report.failed}", errors, "")
    made.add_row("rate asked", f"{report.asked_rate:.2f} /s", "", "")
    made.add_row("rate achieved", f"{report.achieved_rate:.2f} /s", "", "")
    return made


def as_json(report: Report) -> dict[str, object]:
    """The report for programs: seconds, and null where nothing was measured."""
    return {
        name: {share: None if math.isnan(each) else each for share, each in value.items()}
        if name in {"first_token", "per_token", "whole", "lag"}
        else value
        for name, value in asdict(report).items()
    }


def _rows(report: Report) -> list[tuple[str, Quantiles]]:
    return [
        ("first token", report.first_token),
        ("between tokens", report.per_token),
        ("whole answer", report.whole),
        ("sent late", report.lag),
    ]


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{seconds * 1000:.1f} ms"
