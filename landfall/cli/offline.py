"""landfall offline: any command, with the offline cloud behind it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from landfall import process
from landfall.cli.console import reporter
from landfall.errors import UsageError
from landfall.model.environment import find

NAME = "offline"
HELP = """Run a command with the offline cloud in place of an account.

The real Pulumi engine works against a provider that knows AWS's rules but holds no account, with
a state of its own below .landfall/. Nothing is created anywhere else.

Example: landfall offline -- pulumi up -s dev --yes
"""
CONTEXT: dict[str, Any] = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def command(
    words: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND")] = None,
) -> None:
    """Run COMMAND and end with its exit code."""
    from landfall.cli.flow import cloud

    if not words:
        raise UsageError("which command?", hint="landfall offline -- pulumi preview -s dev")
    tell = reporter()
    with (
        tell.step("offline cloud") as step,
        cloud.session(find("dev"), offline=True, on_progress=step.update) as current,
    ):
        cloud.make_stacks(current)
        tell.say(current.cloud.sentence)
        code = process.attach(words, env=cloud.shell_environment(current))
    raise typer.Exit(code)
