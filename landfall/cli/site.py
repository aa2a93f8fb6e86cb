"""landfall site: run a playbook of the site half against an environment's hosts."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from landfall.cli import arguments
from landfall.cli.console import print_json, reporter
from landfall.errors import UsageError
from landfall.model.environment import find
from landfall.preview import terminal

NAME = "site"
HELP = """Run a playbook against an environment's hosts: `site` configures them, all of it in order.

The same as `ansible-playbook -i inventories/ENV playbooks/PLAYBOOK.yml`. With --check nothing is
changed, and what would be is shown. Playbooks that can cost data (storage, replace-disk,
decommission) always show that first, and touch one host at a time unless --several is given.

Example: landfall site dev site --limit rack-1 --check
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    playbook: Annotated[
        str, typer.Argument(metavar="PLAYBOOK", help="A file of playbooks/, without .yml.")
    ] = "site",
    limit: Annotated[str, typer.Option(help="Only these hosts.")] = "",
    tags: Annotated[list[str] | None, typer.Option(help="Only what carries a tag.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A variable of this run alone."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Show what would change.")] = False,
    several: Annotated[
        bool, typer.Option("--several", help="Let a playbook that can cost data touch many hosts.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go on after the plan was shown.")] = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Configure the hosts of ENV."""
    from landfall.cli.flow import site
    from landfall.cli.flow.alone import only_one

    environment = find(env)
    asked = site.Asked(
        playbook=playbook,
        limit=limit,
        tags=tuple(tags or ()),
        values=dict(map(_pair, values or [])),
        several=several,
    )
    site.check_asked(environment, asked)
    tell = reporter()
    with only_one(environment):
        if check or asked.costs_data:
            with tell.step(f"site: looking at what {playbook} would change") as step:
                report = site.plan(environment, asked, step)
            terminal.write(report, Console(stderr=not check, soft_wrap=True))
            if check:
                return
            if not yes:
                typer.confirm("Go on?", abort=True, err=True)
        with tell.step(f"site: {playbook} on {limit or env}") as step:
            done = site.run(environment, asked, step)
    if as_json:
        print_json({"changed": done.changed, "hosts": done.counts})


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise UsageError(f"--set {text}: give NAME=VALUE, e.g. --set burnin_required=false")
    return name, value
