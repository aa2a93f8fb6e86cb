"""landfall graph: a picture of what the cloud half is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.model.environment import find

NAME = "graph"
HELP = """Draw what the cloud half is made of, from the stack itself: components, and who uses whom.

The whole of it is rehearsed offline. An SVG needs Graphviz; a .dot needs nothing.

Example: landfall graph prod --output docs/cloud.svg
"""
CONTEXT = arguments.PLAIN


def command(
    env: arguments.EnvironmentName = "dev",
    output: Annotated[Path, typer.Option(help="The file to write: .svg or .dot.")] = Path(
        "cloud.svg"
    ),
) -> None:
    """Draw ENV."""
    from landfall.cli.flow import graph

    with reporter().step(f"graph: rehearsing {env} offline") as step:
        number = graph.draw(find(env), output)
        step.result = f"{output}, {number} resources"
