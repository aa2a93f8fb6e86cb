"""landfall ask: one question through the gateway."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from landfall.cli import arguments
from landfall.cli.console import print_json
from landfall.model.environment import find

NAME = "ask"
HELP = """Ask the model of an environment a question, through its gateway, as a tenant.

Example: landfall ask "What is Landfall?"
"""
CONTEXT = arguments.PLAIN


def command(
    prompt: Annotated[str, typer.Argument(help="The question.")],
    env: Annotated[str, typer.Option("--env", help="dev, staging or prod.")] = "dev",
    model: Annotated[str, typer.Option(help="The served name.")] = "tiny-lm",
    tenant: Annotated[str, typer.Option(help="Ask as this tenant of the site.")] = "clinic",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Length limit.")] = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Stream the answer to stdout."""
    from landfall import http
    from landfall.cli.flow import gateway

    endpoint = gateway.endpoint(find(env), tenant)
    started = time.perf_counter()
    pieces: list[str] = []
    first: float | None = None
    out = Console(soft_wrap=True)
    for piece in http.chat(endpoint, model=model, prompt=prompt, max_tokens=max_tokens):
        if piece and first is None:
            first = time.perf_counter() - started
        pieces.append(piece)
        if not as_json:
            out.print(piece, end="", markup=False, highlight=False)
    if as_json:
        print_json(
            {
                "answer": "".join(pieces),
                "tenant": tenant,
                "model": model,
                "seconds_to_first_token": first,
                "seconds": time.perf_counter() - started,
            }
        )
    else:
        out.print()
