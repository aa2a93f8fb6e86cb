"""landfall engine: plan, build and list engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from landfall.cli.arguments import AsJson
from landfall.cli.console import print_json, reporter
from landfall.model.environment import Environment, find

if TYPE_CHECKING:
    from landfall.cli.flow.engine import Ensured

app = typer.Typer(
    help="Plan, build and list engines; say what fits.\n\nExample: landfall engine plan tiny-lm",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="ENGINE", help="A served name of engines/specs/.")]
Env = Annotated[str, typer.Option("--env", help="dev, staging or prod.")]


@app.command()
def plan(
    name: Annotated[
        str, typer.Argument(metavar="ENGINE", help="A served name of engines/specs/, or a file.")
    ] = "tiny-lm",
    env: Annotated[
        str, typer.Option("--env", help="dev, staging or prod; else the first with the hardware.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Say whether an engine fits, what would be run, and why it is built again. Nothing is built.

    Example: landfall engine plan tiny-lm --json
    """
    from landfall.cli.flow import engine, planning, services, targets

    wanted = engine.find(find(env or "dev"), name)
    environment = find(env) if env else targets.first(wanted, find("dev"))
    made = engine.plan_all(environment, wanted, registry=lambda: services.registry_uri(environment))
    if as_json:
        texts = [each.plan.model_dump(mode="json") for each in made]
        print_json(texts[0] if len(texts) == 1 else texts)
        return
    console = Console(highlight=False)
    for each in made:
        for section in planning.sections(environment, each.plan):
            console.print(f"[bold]{escape(section.title)}[/]")
            console.print(_table(section.columns, section.rows))
        console.print("\n[bold]what is run, each step in a process of its own[/]")
        for line in planning.commands(each.plan):
            console.print(line, markup=False, soft_wrap=True)
        console.print()


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Words are folded, never cut: a key must be whole."""
    table = Table(box=None, padding=(0, 2), show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


@app.command()
def build(
    name: Name = "tiny-lm",
    env: Env = "dev",
    on_host: Annotated[
        bool, typer.Option("--on-host/--here", help="On the build host, or in this process.")
    ] = True,
    host: Annotated[
        str, typer.Option(help="Of the inventory, for GPUs: dedicated to builds, or drained.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Build an engine, measure and sign it, and keep it in the store. Safe to run again.

    One for each of its targets that the site has.

    Example: landfall engine build tiny-lm --here
    """
    from landfall.cli.flow import engine, services
    from landfall.cli.flow.alone import only_one

    environment = find(env)
    tell = reporter()
    with only_one(environment), tell.step(f"engine: building {name}") as step:
        wanted = engine.find(environment, name)
        planned = engine.plan_all(
            environment, wanted, registry=lambda: services.registry_uri(environment)
        )
        done = [
            engine.ensure(environment, each, on_host=on_host, on_progress=step.update, host=host)
            for each in planned
        ]
        step.result = "; ".join(_made(environment, each) for each in done)
    if as_json:
        found = [{**asdict(each), "unsigned": str(each.unsigned or "")} for each in done]
        print_json(found[0] if len(found) == 1 else found)
        return
    for each in done:
        for line in each.next(environment):
            print(line)


def _made(environment: Environment, made: Ensured) -> str:
    from landfall.cli.flow import engine

    if made.unsigned is not None:
        return f"{made.key[:12]} is built; somebody else signs it, then it is taken in"
    return engine.describe(environment, made.key) + ("" if made.built else "; already built")


@app.command()
def fit(
    model: Annotated[str, typer.Argument(help="A model of the catalog, or its config.json.")],
    gpu: Annotated[str, typer.Option(help="A GPU of the catalog, such as L40S.")],
    batch: Annotated[int, typer.Option(help="Sequences at a time.")] = 8,
    sequence: Annotated[int, typer.Option(help="Tokens of one, prompt and answer.")] = 8192,
    weights: Annotated[str, typer.Option(help="bf16, fp8, int4_awq, ...")] = "bf16",
    cache: Annotated[str, typer.Option(help="bf16, fp8, ...")] = "bf16",
    tp: Annotated[int, typer.Option(help="GPUs that share every layer.")] = 1,
    backend: Annotated[str, typer.Option(help="BACKEND/MODE.")] = "tensorrt_llm/pytorch",
    instead: Annotated[
        list[str] | None, typer.Option(help="Another GPU that could be taken.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Write memory as an SVG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a model fits a GPU, what binds, and what would fit. Nothing is downloaded.

    Example: landfall engine fit llama-3.1-8b --gpu L40S --batch 32
    """
    from landfall.cli.flow import fitting

    ask = fitting.ask(
        model, gpu, backend, batch=batch, sequence=sequence, weights=weights, cache=cache, tp=tp
    )
    answer = fitting.answer(ask, instead or [])
    if picture is not None:
        picture.write_text(answer.picture)
    if as_json:
        print_json(answer.json)
        return
    console = Console(soft_wrap=True, highlight=False)
    table = Table("item", "size", "how it is known", box=None, padding=(0, 2))
    for row in answer.rows:
        table.add_row(*row)
    console.print(table)
    for line in answer.sentences:
        console.print(line)
    if picture is not None:
        console.print(f"The picture is {picture}.")


@app.command()
def commands(
    model: Annotated[str, typer.Argument(help="A model of the catalog, or its config.json.")],
    gpu: Annotated[str, typer.Option(help="A GPU of the catalog, such as L40S.")],
    version: Annotated[str, typer.Option(help="Of the backend, exactly, such as 1.2.1.")],
    batch: Annotated[int, typer.Option(help="Sequences at a time.")] = 8,
    sequence: Annotated[int, typer.Option(help="Tokens of one, prompt and answer.")] = 8192,
    prompt: Annotated[int, typer.Option(help="Tokens of the longest prompt.")] = 4096,
    weights: Annotated[str, typer.Option(help="bf16, fp8, int4_awq, ...")] = "bf16",
    cache: Annotated[str, typer.Option(help="bf16, fp8, ...")] = "bf16",
    tp: Annotated[int, typer.Option(help="GPUs that share every layer.")] = 1,
    backend: Annotated[str, typer.Option(help="BACKEND/MODE.")] = "tensorrt_llm/pytorch",
) -> None:
    """Print the exact commands that make and serve an engine. Nothing is run.

    Example: landfall engine commands llama-3.1-8b --gpu L40S --version 1.2.1 --weights fp8
    """
    from engines import recipes
    from landfall.cli.flow import fitting

    ask = fitting.ask(
        model, gpu, backend, batch=batch, sequence=sequence, weights=weights, cache=cache, tp=tp
    )
    asked = recipes.Asked(fit=ask, version=version, served_name=ask.model, prompt=prompt)
    print(recipes.recipe(asked).shown, end="")


@app.command("list")
def list_(env: Env = "dev", as_json: AsJson = False) -> None:
    """List the engines of the store, and which of them answer.

    Example: landfall engine list
    """
    from engines.store import Store
    from landfall.cli.flow import engine
    from landfall.model import release

    environment = find(env)
    released = {
        each.key: f"{name} {each.share} %"
        for name, found in release.load(environment).items()
        for each in found.engines
    }
    rows = [
        {
            "key": entry.key,
            "released": released.get(entry.key, ""),
            "what": engine.describe(environment, entry.key),
        }
        for entry in Store(environment.store).entries()
    ]
    if as_json:
        print_json(rows)
        return
    table = Table("key", "released", "what", box=None, padding=(0, 2))
    for row in rows:
        table.add_row(row["key"][:12], row["released"], row["what"])
    Console(soft_wrap=True).print(table)
