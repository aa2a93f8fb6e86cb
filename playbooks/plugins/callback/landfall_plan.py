"""Prints what a run in check mode would change, as a table per host, and what it cannot tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: landfall_plan
type: aggregate
short_description: The plan of check.yml as a table
description:
  - At the end of C(check.yml) prints what would change on each host, and what could not be told.
  - Silent in every other playbook.
"""

PLAYBOOK = "check.yml"
UNTOLD = "remote module"
"""What a module without check mode says when it is skipped ("remote module (X) does not ...")."""


def untold(event: str, result: Mapping[str, Any]) -> str:
    """Why a task's change could not be foreseen; "" where it could."""
    message = str(result.get("msg") or "")
    if event == "unreachable":
        return f"the host does not answer: {message}"
    if event == "failed":
        return f"failed: {message}"
    if event == "skipped" and UNTOLD in message:
        return message
    if "censored" in result:
        return "its result is hidden"
    return ""


def named(result: Mapping[str, Any]) -> str:
    """What a task works on: a file, a service, a package."""
    arguments = (result.get("invocation") or {}).get("module_args") or {}
    for key in ("path", "dest", "written", "done", "name"):
        value = result.get(key) or arguments.get(key)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, str):
            return value
    return ""


def table(rows: list[tuple[str, str]]) -> Iterator[str]:
    """Two columns, the first as wide as its widest."""
    width = max((len(left) for left, _ in rows), default=0)
    for left, right in rows:
        yield f"  {left:<{width}}  {right}".rstrip()


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Collects what every task would do, and prints it once all have."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "landfall_plan"

    def __init__(self) -> None:
        super().__init__()
        self.wanted = False
        self.changes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.unknown: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.same: dict[str, int] = defaultdict(int)

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """See whether this is the playbook whose plan is wanted."""
        checks = bool(context.CLIARGS.get("check"))
        self.wanted = checks and Path(str(playbook._file_name)).name == PLAYBOOK

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task that ended."""
        self._take("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task that failed."""
        if not ignore_errors:
            self._take("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host that does not answer."""
        self._take("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """A task that was skipped, perhaps because it has no check mode."""
        self._take("skipped", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the plan."""
        if not self.wanted:
            return
        for host in sorted({*stats.processed, *self.changes, *self.unknown}):
            changes, unknown = self.changes[host], self.unknown[host]
            self._display.display(
                f"\nPLAN {host}: {len(changes)} would change, {self.same[host]} stay the same, "
                f"{len(unknown)} cannot be told"
            )
            for line in table(changes):
                self._display.display(line)
            if unknown:
                self._display.display("  cannot be told:")
                for line in table(unknown):
                    self._display.display(f"  {line}")

    def _take(self, event: str, result: Any) -> None:
        host, task = result._host.get_name(), result._task.get_name()
        value = result._result
        items = [each for each in value.get("results") or [] if isinstance(each, Mapping)]
        reason = untold(event, value)
        if reason:
            self.unknown[host].append((task, " ".join(reason.split())))
        elif value.get("changed"):
            what = [named(each) for each in items if each.get("changed")] or [named(value)]
            self.changes[host].append((task, ", ".join(dict.fromkeys(filter(None, what)))))
        elif event == "ok":
            self.same[host] += 1
