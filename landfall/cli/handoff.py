"""landfall handoff: take a stack's outputs over for the site."""

from __future__ import annotations

from landfall import handoff
from landfall.cli import arguments
from landfall.cli.arguments import EnvironmentName
from landfall.cli.console import print_json, reporter
from landfall.model.environment import find

NAME = "handoff"
HELP = """Read what the cloud half tells the site, check it, and keep it for the playbooks.

`landfall up` does this by itself; run it after a `pulumi up` by hand.

Example: landfall handoff dev
"""
CONTEXT = arguments.PLAIN


def command(env: EnvironmentName = "dev", offline: arguments.Account = None) -> None:
    """Read, check, keep and print the handoff of ENV."""
    from landfall.cli.flow import cloud
    from stacks import automation

    environment = find(env)
    with (
        reporter().step(f"handoff of {env}") as step,
        cloud.session(
            environment,
            offline=environment.rehearsal if offline is None else offline,
            on_progress=step.update,
        ) as current,
    ):
        told = handoff.parse(automation.outputs(current))
        handoff.save(told, environment.handoff_file)
    print_json(told.model_dump(mode="json"))
