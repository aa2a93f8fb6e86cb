"""landfall site: configure the hosts of an environment."""

from __future__ import annotations

from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import print_json, reporter
from landfall.model.environment import find

NAME = "site"
HELP = """Run the site's playbook against an environment's hosts; a second run changes nothing.

The same as `ansible-playbook -i inventories/ENV playbooks/site.yml`.

Example: landfall site dev --limit rack-1
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    limit: Annotated[str, typer.Option(help="Only these hosts.")] = "",
    as_json: arguments.AsJson = False,
) -> None:
    """Configure the hosts of ENV."""
    from landfall.cli.flow import loop, site

    environment = find(env)
    tell = reporter()
    with loop.only_one(environment), tell.step(f"site: configuring {limit or env}") as step:
        done = site.configure(environment, step, limit=limit)
    if as_json:
        print_json({"changed": done.changed, "hosts": done.counts})
