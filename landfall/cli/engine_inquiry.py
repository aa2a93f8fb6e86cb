"""landfall engine: where an engine comes from, and what a log says about it."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json, wide
from landfall.model.environment import find

if TYPE_CHECKING:
    from engines.lineage import Node

SHOWN = 16
"""Digits of a digest in a tree; JSON has all of them."""


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the group `landfall engine`."""
    for command in (lineage, diagnose):
        app.command()(command)


def lineage(
    name: Annotated[str, typer.Argument(metavar="KEY|NAME", help="A served name, or a key.")],
    env: Annotated[str, typer.Option("--env", help="dev, staging or prod.")] = "dev",
    as_json: AsJson = False,
) -> None:
    """Show where an engine comes from: run, data, model, build, gates, signature, releases.

    Example: landfall engine lineage tiny-lm
    """
    from landfall.cli.flow import lineage as lineages

    found = lineages.of(find(env), name)
    if as_json:
        print_json(found.plain())
        return
    wide().print(_drawn(found, None))


def diagnose(
    log: Annotated[
        typer.FileText,
        typer.Argument(metavar="FILE", errors="replace", help="A log, or - for standard input."),
    ],
    as_json: AsJson = False,
) -> None:
    """Find known errors of TensorRT-LLM, vLLM and CUDA in a log: the cause, and the next step.

    Example: landfall engine diagnose server.log
    """
    from engines import diagnosis

    found = diagnosis.diagnose(log)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    console = wide()
    for each in found:
        more = f" and {len(each.lines) - 1} more" if len(each.lines) > 1 else ""
        console.print(f"[bold]line {each.lines[0]}[/]{more}: {escape(each.quote)}")
        console.print(f"  cause  {escape(each.cause)}")
        console.print(f"  next   {escape(each.next)}")
        met = f"; met with {each.seen}" if each.seen else ""
        console.print(f"  [dim]source {escape(', '.join(each.sources))}{escape(met)}[/]")
    if not found:
        console.print(f"None of the {len(diagnosis.known())} known errors is in this log.")


def _drawn(node: Node, above: Tree | None) -> Tree:
    value = node.value[:SHOWN] if above and re.fullmatch("[0-9a-f]{64}", node.value) else node.value
    text = f"{escape(node.label)}  [dim]{escape(value)}[/]" if value else escape(node.label)
    drawn = Tree(text) if above is None else above.add(text)
    for each in node.below:
        _drawn(each, drawn)
    return drawn
