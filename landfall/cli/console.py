"""What a person sees while work goes on, at a terminal and without one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape
from rich.status import Status

HEARTBEAT_S = 5.0
"""Without a terminal, how often a long step says that it still goes on."""


@dataclass(kw_only=True)
class Step:
    """One piece of work in progress."""

    title: str
    console: Console
    status: Status | None
    result: str = ""
    started: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)

    def update(self, text: str) -> None:
        """Say what is being done right now."""
        if self.status is not None:
            self.status.update(f"{escape(self.title)} [dim]{escape(text)}[/]")
        elif time.monotonic() - self.said >= HEARTBEAT_S:
            self.said = time.monotonic()
            self.console.print(f"    [dim]{escape(text)}[/]")


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """Tells a person how work goes; on stderr, so that stdout stays for results."""

    console: Console

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show `title` while the block runs, then how long it took and its `result`."""
        shown = self.console.status(escape(title)) if self.console.is_terminal else nullcontext()
        with shown as status:
            step = Step(title=title, console=self.console, status=status)
            try:
                yield step
            except BaseException:
                self._line("[red]✗[/]", step)
                raise
            self._line("[green]✓[/]", step)

    def _line(self, sign: str, step: Step) -> None:
        took = time.monotonic() - step.started
        result = f"  {escape(step.result)}" if step.result else ""
        self.console.print(f"{sign} {escape(step.title)}{result} [dim]{took:.1f} s[/]")

    def say(self, text: str) -> None:
        """One plain sentence."""
        self.console.print(escape(text))


def reporter() -> Reporter:
    """A reporter on stderr."""
    return Reporter(console=Console(stderr=True, soft_wrap=True))


WIDE = 200
"""Characters of a line on what is not a terminal: a file or a pipe cuts nothing off."""


def wide() -> Console:
    """A console on stdout for tables and trees."""
    found = Console(soft_wrap=True, highlight=False)
    return found if found.is_terminal else Console(soft_wrap=True, highlight=False, width=WIDE)


def print_json(value: object) -> None:
    """A result for a machine, on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
