"""landfall cost: what an environment's cloud half costs a month."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.model.environment import find

if TYPE_CHECKING:
    from landfall.cost import Estimate

NAME = "cost"
HELP = """Show what the cloud half costs a month, from dated list prices, and what has no price.

The whole of it is rehearsed offline; nothing is asked of an account. Training is counted for the
hours of `training.hoursPerMonth`, with every pool at its largest. What is billed by use is listed
with its unit price and is not in the total.

Example: landfall cost prod
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    as_json: arguments.AsJson = False,
    every: Annotated[bool, typer.Option("--all", help="Show what is free, too.")] = False,
) -> None:
    """Show the costs of ENV."""
    from landfall.cli.flow import cost as flow

    environment = find(env)
    with reporter().step(f"cost: rehearsing {env} offline") as step:
        found = flow.estimate(environment)
        step.result = f"{found.total_usd:,.0f} USD a month at list prices"
    if as_json:
        print(json.dumps({**asdict(found), "total_usd": found.total_usd}, indent=2))
        return
    console = Console(soft_wrap=True)
    console.print(table(found))
    for sentence in sentences(found):
        console.print(sentence)
    if every:
        console.print("Free: " + ", ".join(found.free))


def table(found: Estimate) -> Table:
    """Lines by item, the dearest first."""
    made = Table(box=None, padding=(0, 2))
    for heading, right in (("item", False), ("resources", True), ("USD a month", True),
                           ("price of", False), ("", False)):  # fmt: skip
        made.add_column(heading, justify="right" if right else "left")
    sums: dict[str, list[int]] = {}
    for index, line in enumerate(found.lines):
        sums.setdefault(line.item, []).append(index)
    money = {item: sum(found.lines[i].usd_month for i in of) for item, of in sums.items()}
    for item in sorted(sums, key=lambda item: -money[item]):
        lines = [found.lines[i] for i in sums[item]]
        first = lines[0]
        note = "of another region" if any(line.stand_in for line in lines) else first.confidence
        made.add_row(
            item, str(len(lines)), f"{money[item]:,.2f}", f"{first.region}, {first.as_of}", note
        )
    made.add_row("total", "", f"{found.total_usd:,.2f}", "", "", style="bold")
    return made


def sentences(found: Estimate) -> Iterator[str]:
    """What a reader must know besides the total."""
    hours = found.assumptions.training_hours
    yield f"Training is counted for {hours:g} hours a month, with every pool at its largest."
    if found.stand_in_usd:
        yield f"{found.stand_in_usd:,.2f} USD of it are prices of another region."
    used = sorted({each.item or each.reason for each in found.unknown if each.by_use})
    if used:
        yield f"Billed by use, not in the total: {', '.join(used)}."
    for each in found.unknown:
        if not each.by_use:
            yield f"No price: {each.resource}: {each.reason}"
