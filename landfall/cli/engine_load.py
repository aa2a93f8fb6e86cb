"""landfall engine load: how a served name does under load."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json, reporter
from landfall.errors import LandfallError
from landfall.model.environment import find

Name = Annotated[str, typer.Argument(metavar="NAME", help="A served name.")]
Env = Annotated[str, typer.Option("--env", help="dev, staging or prod.")]


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the group `landfall engine`."""
    app.command()(load)


def load(
    name: Name,
    rate: Annotated[float, typer.Option(help="Requests per second, on average.")] = 5.0,
    requests: Annotated[int, typer.Option(help="How many.")] = 100,
    tokens: Annotated[int, typer.Option(help="The longest answer.")] = 32,
    prompt: Annotated[
        list[str] | None, typer.Option(help="What is asked; several are taken in turn.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Of the engine: text_generation, embedding or onnx_graph.")
    ] = "text_generation",
    seed: Annotated[int, typer.Option(help="Of the arrivals.")] = 1,
    tenant: Annotated[str, typer.Option(help="Who asks: a tenant of the site.")] = "clinic",
    url: Annotated[
        str, typer.Option(help="A server to ask instead of the gateway; without a key.")
    ] = "",
    env: Env = "dev",
    as_json: AsJson = False,
) -> None:
    """Send requests that arrive when they arrive, and report latencies and failures.

    Times count from when a request was due. Ends with 1 where a request failed.

    Example: landfall engine load tiny-lm --rate 5 --requests 200
    """
    from landfall.cli.flow import loading

    wanted = loading.Wanted(
        name=name, rate=rate, requests=requests, tokens=tokens, seed=seed,
        prompts=tuple(prompt or ()), kind=kind,
    )  # fmt: skip
    target = loading.target(find(env), wanted, tenant=tenant, url=url)
    with reporter().step(f"load: {requests} requests, {rate:g} a second") as step:
        report = loading.run(target, wanted)
        step.result = f"{report.failed} failed"
    if as_json:
        print_json(loading.as_json(report))
    else:
        Console(soft_wrap=True, highlight=False).print(loading.table(report))
    if report.failed:
        raise LandfallError(f"{report.failed} of {report.requests} requests failed")
