"""landfall preview: what an apply would change, in all halves, worst first."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from landfall.cli import arguments
from landfall.cli.console import reporter
from landfall.model.change import Half, exit_code
from landfall.model.environment import ROOT, find
from landfall.preview import document, markdown, terminal

if TYPE_CHECKING:
    from landfall.cli.flow.report import Previewed, Wanted

NAME = "preview"
HELP = """Show what an apply would change: cloud, site and engines in one report, worst first.

Ends with 0 (nothing), 10 (changes), 11 (destructive), 12 (a policy forbids it) or 13 (something
cannot be previewed); the highest that holds. Nothing is changed.

Example: landfall preview dev --format markdown --output preview.md
"""
CONTEXT = arguments.PLAIN


class Format(StrEnum):
    """How the report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"


def command(
    envs: arguments.EnvironmentNames = ["dev"],  # noqa: B006  typer reads it, nobody writes
    offline: arguments.Account = None,
    base: Annotated[str, typer.Option(help="Compare with this commit, offline.")] = "",
    site: Annotated[bool, typer.Option("--site/--no-site", help="Ask the hosts.")] = True,
    only: Annotated[
        list[Half] | None, typer.Option(help="Look at this half alone; may be repeated.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TERMINAL,
    output: Annotated[
        list[Path] | None,
        typer.Option(help="Write to this file too, as its ending says: .md or .json."),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="The offline cloud's state, if not its own.", hidden=True)
    ] = None,
    tree: Annotated[Path, typer.Option(help="The checkout to look at.", hidden=True)] = ROOT,
) -> None:
    """Preview ENV, or several side by side."""
    from landfall.cli.flow import report

    wanted = {
        name: report.Wanted(
            offline=find(name, tree).rehearsal if offline is None else offline,
            base=base,
            halves=frozenset(only or Half),
            ask_hosts=site,
            state=state,
        )
        for name in envs
    }
    if len(envs) > 1:
        words = {name: _words(name, each, form, output or []) for name, each in wanted.items()}
        raise typer.Exit(_several(words))
    found = report.preview(find(envs[0], tree), wanted[envs[0]], reporter())
    for path in output or []:
        kind = Format.JSON if path.suffix == ".json" else Format.MARKDOWN
        path.write_text(_text(found, kind))
    if form is Format.TERMINAL:
        terminal.write(found.report, Console(soft_wrap=True), digest=found.digest)
    elif not output:
        print(_text(found, form), end="")
    raise typer.Exit(int(exit_code(found.report)))


def _several(words: dict[str, list[str]]) -> int:
    """Preview each in a process of its own, and show them in turn."""
    from landfall.cli.flow import several

    for name in words:
        find(name)
    results = several.preview(words)
    for name, done in results.items():
        print(done.stderr, end="", file=sys.stderr)
        print(done.stdout, end="")
        if done.returncode not in several.SEEN:
            print(f"the preview of {name} failed", file=sys.stderr)
    return several.code(results)


def _words(name: str, wanted: Wanted, form: Format, output: list[Path]) -> list[str]:
    """The options with which `name` is previewed by itself; each has files of its own."""
    words = ["--offline" if wanted.offline else "--account"]
    words += ["--base", wanted.base] if wanted.base else []
    words += [] if wanted.ask_hosts else ["--no-site"]
    words += [word for half in wanted.halves for word in ("--only", half.value)]
    words += ["--state", str(wanted.state)] if wanted.state else []
    words += ["--format", form.value]
    files = [path.with_stem(f"{path.stem}-{name}") for path in output]
    return words + [word for path in files for word in ("--output", str(path))]


def _text(found: Previewed, form: Format) -> str:
    if form is Format.JSON:
        return document.write(found.report, digest=found.digest)
    return markdown.write(found.report, digest=found.digest, commit=found.commit)
