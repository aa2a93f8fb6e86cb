"""`python -m bench [NAME ...] [--json]`: measure, print a table, end with 0 either way."""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from bench.figure import Figure

NAMES = (
    "serve",
    "streams",
    "preview",
    "cloud",
    "policy",
    "ask",
    "fit",
    "key",
    "site",
    "fleet",
    "storage",
    "link",
    "release",
    "demo",
)
ASKED_FOR = ("fleet", "storage", "link", "release", "demo")
"""Not measured unless named: hosts are booted or emulated for minutes, or the rehearsal is
forgotten first."""

SIGNS = {True: "[green]reached[/]", False: "[red]missed[/]", None: ""}


def main() -> None:
    """Measure what is named, or all that disturbs nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    wanted = words.names or [name for name in NAMES if name not in ASKED_FOR]
    figures: list[Figure] = []
    for name in wanted:
        figures += importlib.import_module(f"bench.{name}").measure()
    if words.json:
        print(json.dumps([asdict(each) for each in figures], indent=2))
    else:
        Console(soft_wrap=True).print(table(figures))


def table(figures: list[Figure]) -> Table:
    """Figures as a table that people can scan."""
    made = Table(box=None, padding=(0, 2))
    for heading in ("what", "figure", "goal", "", "detail"):
        made.add_column(heading)
    for each in figures:
        goal = "" if each.goal is None else f"{'<' if each.at_most else '>'} {each.goal:g}"
        value = f"{each.value:.2f} {each.unit}"
        made.add_row(each.name, value, goal, SIGNS[each.reached], each.detail)
    return made


if __name__ == "__main__":
    main()
