"""landfall demo: the story of one pull request, from an empty checkout to an answered prompt."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from landfall.cli import arguments
from landfall.cli.console import Reporter, reporter
from landfall.model.environment import Environment, find
from landfall.preview import markdown, terminal

NAME = "demo"
HELP = """Run the whole loop on this machine, then preview a pull request against it.

No account and no GPU: the Pulumi engine, Ansible, the registry, the gateway and the model are real;
the account and the hardware are stand-ins. Safe to interrupt, and to run again.

Example: landfall demo
"""
CONTEXT = arguments.PLAIN

QUESTIONS = ("What is Landfall?", "Where may restricted data go?")


def command(
    site: Annotated[bool, typer.Option("--site/--no-site", help="With a booted host.")] = True,
) -> None:
    """Tell the story."""
    from landfall.cli.flow import loop

    environment = find("dev")
    tell = reporter()
    _title(tell, "1  The environment dev comes up on this machine")
    loop.up(environment, tell, offline=True, site_too=site)
    if site:
        _title(tell, "2  A prompt is answered on our own hardware, through the gateway")
        for question in QUESTIONS:
            _ask(environment, question, tell)
    _title(tell, "3  A pull request changes an instance type, a limit and a precision")
    _preview(environment, tell, site=site)
    tell.console.print(Panel.fit(_last_lines(site=site), title="Now it is yours"))


def _title(tell: Reporter, text: str) -> None:
    tell.console.print(f"\n[bold]{text}[/]")


def _ask(environment: Environment, question: str, tell: Reporter) -> None:
    from landfall import http
    from landfall.cli.flow import gateway

    endpoint = gateway.endpoint(environment, "clinic")
    tell.console.print(f"  [dim]clinic asks:[/] {question}")
    tell.console.print("  ", end="")
    for piece in http.chat(endpoint, model="tiny-lm", prompt=question, max_tokens=None):
        tell.console.print(piece, end="", markup=False, highlight=False)
    tell.console.print()


def _preview(environment: Environment, tell: Reporter, *, site: bool) -> None:
    from landfall.cli.flow import pull_request, report

    branch = pull_request.open_one(environment)
    for edit in pull_request.EDITS:
        before, after = escape(edit.before), escape(edit.after)
        tell.console.print(f"  {edit.path}: [red]{before}[/] → [green]{after}[/]")
    found = report.preview(branch, report.Wanted(offline=True, ask_hosts=site), tell)
    path = environment.work / "preview.md"
    path.write_text(markdown.write(found.report, digest=found.digest, commit=found.commit))
    terminal.write(found.report, Console(stderr=True, soft_wrap=True), digest=found.digest)
    tell.console.print(f"[dim]the same as one comment: {path.relative_to(environment.root)}[/]")


def _last_lines(*, site: bool) -> str:
    lines = [
        ". .venv/bin/activate",
        'landfall ask "What does the gateway do?"' if site else "",
        "landfall status",
        "landfall preview dev   (after a change of yours)",
        "landfall offline -- pulumi up -s dev",
        "ansible-playbook -i inventories/dev playbooks/site.yml" if site else "",
        "landfall down",
    ]
    return "\n".join(line for line in lines if line)
