"""Arguments that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EnvironmentName = Annotated[
    str, typer.Argument(metavar="ENV", help="dev, staging or prod.", show_default=True)
]
EnvironmentNames = Annotated[
    list[str], typer.Argument(metavar="ENV...", help="dev, staging, prod: one or several.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Account = Annotated[
    bool | None,
    typer.Option(
        "--offline/--account",
        help="The offline cloud of a rehearsal, or the account that your credentials open. "
        "dev is offline unless you say otherwise; the others are not.",
        show_default=False,
    ),
]
PLAIN: dict[str, Any] = {}
"""Nothing special about a command's own context."""
