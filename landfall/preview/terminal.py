"""The report for a person at a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from landfall.model.change import Change, Half, Kind, Report, count
from landfall.preview.order import worst_first
from landfall.preview.wording import SIGN, TITLE, headline, money, of_half

NONE = "(none)"

STYLE: dict[Kind, str] = {
    Kind.CREATE: "green",
    Kind.UPDATE: "yellow",
    Kind.REPLACE: "bold red",
    Kind.DELETE: "bold red",
    Kind.READ: "dim",
    Kind.UNKNOWN: "bold magenta",
}


def write(report: Report, console: Console, *, digest: str = "") -> None:
    """Print the report: a summary table, then every change, worst first."""
    console.print(f"[bold]Preview of {report.environment}[/]: {headline(report)}")
    approved = f" · digest {digest[:16]}" if digest else ""
    console.print(f"[dim]compared with {escape(report.compared_with)}{approved}[/]")
    for note in report.notes:
        console.print(f"[dim]{escape(note)}[/]")
    console.print(_table(report))
    for line in report.policy_failures:
        console.print(f"[bold red]policy[/] {escape(line)}")
    for half in Half:
        changes = worst_first(of_half(report, half))
        if changes:
            console.print(f"\n[bold]{TITLE[half]}[/]")
        for change in changes:
            _print(change, console)


def _table(report: Report) -> Table:
    table = Table(box=None, padding=(0, 1))
    kinds = [kind for kind in Kind if kind is not Kind.READ]
    table.add_column("")
    for kind in kinds:
        table.add_column(
            f"{SIGN[kind]} {kind.value}", justify="right", style=STYLE[kind], no_wrap=True
        )
    table.add_column("unchanged", justify="right", style="dim", no_wrap=True)
    for half in Half:
        counted = count(of_half(report, half))
        same = report.unchanged.get(half)
        table.add_row(
            half.value,
            *(str(counted[kind]) if counted[kind] else "" for kind in kinds),
            "not looked at" if same is None else str(same),
        )
    return table


def _print(change: Change, console: Console) -> None:
    style = STYLE[change.kind]
    title = Text.assemble((f"{SIGN[change.kind]} {change.kind.value:8}", style), change.target)
    console.print(title)
    console.print(Text(f"           {change.summary}", style="dim"))
    if worth := money(change.cost):
        console.print(Text(f"           {worth} at list prices"))
    for reason in change.reasons:
        console.print(Text(f"           because {reason}"))
    for detail in change.details:
        mark = "  (replaces)" if detail.replaces else ""
        console.print(
            Text(
                f"           {detail.path}: {detail.before or NONE} → {detail.after or NONE}{mark}"
            )
        )
    for line in change.diff.splitlines():
        colour = {"+": "green", "-": "red"}.get(line[:1], "dim")
        console.print(Text(f"           {line}", style=colour))
