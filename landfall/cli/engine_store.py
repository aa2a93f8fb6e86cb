"""landfall engine: the store of engines, what is in it, what may go, and whether it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json, wide
from landfall.model.environment import find

Env = Annotated[str, typer.Option("--env", help="dev, staging or prod.")]
GRACE_DAYS = 14
"""Long enough for a canary and its review; a removed engine can be built again."""
Key = Annotated[str, typer.Argument(metavar="KEY", help="A key, or its first digits.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the group `landfall engine`."""
    for command in (receive, gc, pin, unpin, verify):
        app.command()(command)


def receive(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The engine's folder.")],
    signature: Annotated[Path, typer.Option(help="Over it.")],
    env: Env = "dev",
) -> None:
    """Take an engine into the store that somebody else has signed.

    Example: landfall engine receive work/engine --signature work/engine.sig --env prod
    """
    from landfall.cli.flow import store

    print(store.receive(find(env), folder, signature).key)


def gc(
    env: Env = "dev",
    grace_days: Annotated[
        float, typer.Option(min=0, help="Keep what is younger than so many days.")
    ] = GRACE_DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, and remove nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove engines that no release names, neither as answering nor as the way back.

    Example: landfall engine gc --dry-run
    """
    from engines.collection import DAY_S
    from landfall.cli.flow import store

    verdicts = store.collect(find(env), grace_days=grace_days, dry_run=dry_run)
    rows = [
        {
            "key": each.item.key,
            "name": each.item.name,
            "bytes": each.item.size,
            "age_days": round(each.item.age / DAY_S, 1),
            "fate": "kept" if each.kept else "removed" if each.done else "would be removed",
            "why": each.why,
        }
        for each in verdicts
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("key", "name", "size", "age", "fate", "why", box=None, padding=(0, 2))
    for row in rows:
        size = f"{int(str(row['bytes'])) / 1e6:,.1f} MB"
        age = f"{row['age_days']} days"
        table.add_row(
            str(row["key"])[:12], str(row["name"]), size, age, str(row["fate"]), str(row["why"])
        )
    wide().print(table)
    gone = [each.item.size for each in verdicts if not each.kept]
    verb = "would be freed" if dry_run else "freed"
    print(f"{len(gone)} of {len(verdicts)} engines, {sum(gone) / 1e6:,.1f} MB {verb}")


def pin(
    key: Key,
    reason: Annotated[str, typer.Option(help="Why; shown by gc.")] = "",
    env: Env = "dev",
) -> None:
    """Keep an engine, whatever the releases say.

    Example: landfall engine pin 3f2a9c --reason "evidence of the audit"
    """
    from engines.store import Store

    store = Store(find(env).store)
    store.pin(store.find(key).key, reason)


def unpin(key: Key, env: Env = "dev") -> None:
    """Let an engine go when nothing else needs it.

    Example: landfall engine unpin 3f2a9c
    """
    from engines.store import Store

    store = Store(find(env).store)
    store.unpin(store.find(key).key)


def verify(
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY...", help="Keys; all where none is given.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option("--full/--quick", help="Every byte and the signature, or what changed."),
    ] = True,
    env: Env = "dev",
    as_json: AsJson = False,
) -> None:
    """Check the engines of the store against their manifests and signatures.

    Example: landfall engine verify --quick
    """
    from landfall.cli.flow import store

    checked = store.check(find(env), keys or [], full=full)
    if as_json:
        print_json([{"key": each.key, "name": each.name, "wrong": each.wrong} for each in checked])
    else:
        table = Table("key", "name", "found", box=None, padding=(0, 2))
        for each in checked:
            table.add_row(each.key[:12], each.name, each.wrong or "whole")
        wide().print(table)
    if any(each.wrong for each in checked):
        raise typer.Exit(1)
