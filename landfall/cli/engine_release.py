"""landfall engine: which engine answers, with which share of the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json
from landfall.model.environment import Environment, find

if TYPE_CHECKING:
    from landfall.cli.flow.release import Moved

Name = Annotated[str, typer.Argument(metavar="NAME", help="A served name.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="An engine's key, or its first digits.")]
Env = Annotated[str, typer.Option("--env", help="dev, staging or prod.")]
Approver = Annotated[
    str, typer.Option("--approved-by", help="Who approves it; prod wants one who is not you.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the diff, and write nothing.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the group `landfall engine`."""
    for command in (canary, promote, rollback):
        app.command()(command)


def canary(
    name: Name,
    key: Key,
    share: Annotated[int, typer.Option(help="Whole percent of the requests.")] = 10,
    env: Env = "dev",
    approved_by: Approver = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Try an engine on a share of the requests. Safe to run again.

    Example: landfall engine canary tiny-lm 3f2a --share 10
    """
    from landfall.cli.flow import release
    from landfall.cli.flow.alone import only_one

    environment = find(env)
    asked = release.Asked(approver=approved_by, dry_run=dry_run)
    with only_one(environment):
        moved = release.canary(environment, name, key, share, asked)
    _show(environment, moved, dry_run=dry_run, as_json=as_json)


def promote(
    name: Name,
    key: Annotated[
        str, typer.Argument(metavar="[KEY]", help="Its key; the canary without one.")
    ] = "",
    env: Env = "dev",
    approved_by: Approver = "",
    without_canary: Annotated[
        bool, typer.Option("--without-canary", help="Though it was never tried on a share.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give an engine all requests; the one before it becomes the way back.

    Example: landfall engine promote tiny-lm
    """
    from landfall.cli.flow import release
    from landfall.cli.flow.alone import only_one

    environment = find(env)
    asked = release.Asked(approver=approved_by, dry_run=dry_run)
    with only_one(environment):
        moved = release.promote(environment, name, key, asked, without_canary=without_canary)
    _show(environment, moved, dry_run=dry_run, as_json=as_json)


def rollback(
    name: Name,
    env: Env = "dev",
    approved_by: Approver = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take the canary back; without one, return to the engine before.

    Example: landfall engine rollback tiny-lm
    """
    from landfall.cli.flow import release
    from landfall.cli.flow.alone import only_one

    environment = find(env)
    asked = release.Asked(approver=approved_by, dry_run=dry_run)
    with only_one(environment):
        moved = release.rollback(environment, name, asked)
    _show(environment, moved, dry_run=dry_run, as_json=as_json)


def _show(environment: Environment, moved: Moved, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {"file": moved.file, "diff": moved.diff, "written": bool(moved.diff) and not dry_run}
        )
        return
    console = Console(soft_wrap=True, highlight=False)
    if not moved.diff:
        console.print(f"{moved.file} says so already.")
        return
    for line in moved.diff.splitlines():
        colour = {"+": "green", "-": "red"}.get(line[:1], "dim")
        console.print(f"[{colour}]{escape(line)}[/]")
    console.print(escape(_next(environment, moved.file, moved.trailers, dry_run=dry_run)))


def _next(environment: Environment, file: str, trailers: tuple[str, ...], *, dry_run: bool) -> str:
    if dry_run:
        return "Nothing was written."
    if environment.rehearsal:
        return f"The hosts follow with:  landfall site {environment.name}"
    lines = [f"Commit {file}; the hosts follow with:  landfall site {environment.name}"]
    return "\n".join([*lines, *(["The commit says:"] if trailers else []), *trailers])
