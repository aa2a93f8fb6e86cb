"""landfall workflow: the GitHub workflow that posts previews."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landfall.cli import arguments
from landfall.model.environment import ROOT
from landfall.preview.markdown import LIMIT_BYTES, MARKER
from landfall.render import render

NAME = "workflow"
HELP = """Write the GitHub workflow that keeps one preview comment on each pull request.

Example: landfall workflow --output .github/workflows/preview.yml
"""
CONTEXT = arguments.PLAIN

TEMPLATE = "github/workflows/preview.yml.j2"


def text(environment: str, runner: str) -> str:
    """The workflow for one environment."""
    values = {
        "environment": environment,
        "runner": runner,
        "timeout_minutes": 30,
        "limit_bytes": LIMIT_BYTES,
        "marker": MARKER.format(environment=environment),
    }
    return render(TEMPLATE, values)


def command(
    env: arguments.EnvironmentName = "dev",
    runner: Annotated[str, typer.Option(help="The runner's label.")] = "ubuntu-24.04",
    output: Annotated[
        Path | None, typer.Option(help="The file to write; .github/workflows/preview.yml.")
    ] = None,
) -> None:
    """Write the workflow for ENV."""
    path = output or ROOT / ".github/workflows/preview.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(env, runner))
