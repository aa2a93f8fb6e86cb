"""landfall engine judge, life: canaries judged on the hosts, and a whole life of engines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from landfall.cli.arguments import AsJson, EnvironmentName
from landfall.cli.console import print_json, reporter
from landfall.errors import LandfallError
from landfall.model.environment import find

if TYPE_CHECKING:
    from landfall.cli.flow.life import Stage


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the group `landfall engine`."""
    for command in (judge, life):
        app.command()(command)


def judge(env: EnvironmentName = "dev", as_json: AsJson = False) -> None:
    """Have every host judge its canaries now, and show what it says and why.

    Example: landfall engine judge dev
    """
    from landfall.cli.flow import judging

    with reporter().step("judge: asking the hosts") as step:
        found = judging.ask(find(env), step.update)
        step.result = f"{len(found)} verdicts"
    if as_json:
        print_json([asdict(each) for each in found])
        return
    table = Table("host", "name", "canary", "verdict", "why", box=None, padding=(0, 2))
    for each in found:
        why = "\n".join((*each.reasons, *each.waiting))
        table.add_row(each.host, each.name, each.canary[:12], each.verdict, why)
    Console(soft_wrap=True, highlight=False).print(table if found else "No canary is out.")


def life(
    env: EnvironmentName = "dev",
    rate: Annotated[float, typer.Option(help="Requests per second meanwhile.")] = 4.0,
    requests: Annotated[int, typer.Option(help="How many there must be in the end.")] = 1000,
    on_host: Annotated[
        bool, typer.Option("--on-host/--here", help="Build on the build host, or in this process.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Build two engines, try, judge, promote and roll back, for real and under load.

    Ends with 1 where a request failed. A rehearsal only; it is brought up first.

    Example: landfall engine life dev
    """
    from landfall.cli.flow import life as flow
    from landfall.cli.flow import loading, loop
    from landfall.cli.flow.alone import only_one

    environment, tell = find(env), reporter()
    if environment.rehearsal:
        loop.up(environment, tell, offline=True, site_too=True)
    with only_one(environment):
        asked = flow.Asked(rate=rate, least=requests, on_host=on_host)
        lived = flow.live(environment, tell, asked)
    if as_json:
        print_json({**asdict(lived), "report": loading.as_json(lived.report)})
    else:
        console = Console(soft_wrap=True, highlight=False)
        console.print(_table(lived.stages))
        console.print(loading.table(lived.report))
    if lived.report.failed:
        raise LandfallError(f"{lived.report.failed} of {lived.report.requests} requests failed")


def _table(stages: tuple[Stage, ...]) -> Table:
    made = Table("stage", "took", "requests", "failed", "result", box=None, padding=(0, 2))
    for each in stages:
        took = f"{each.seconds:.0f} s"
        made.add_row(each.name, took, f"{each.requests}", f"{each.failed}", each.result)
    return made
