"""From a check-mode run's events to changes."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from landfall.model.change import SEVERITY_OF, Change, Half, Kind
from landfall.playbook.run import Run, TaskResult

NOT_RUN_IN_CHECK_MODE = "remote module"
"""What a module without check mode says when it is skipped ("remote module (X) does not ...")."""

NAMES = ("path", "dest", "written", "done", "name")
"""Where a module says what it works on; `written` and `done` are those of Landfall's own."""


def changes(run: Run, environment: str) -> list[Change]:
    """What the run would change, what differs and stays, and what it could not tell."""
    return [*_changed(run, environment), *_drift(run, environment), *_untold(run, environment)]


def unchanged(run: Run) -> int:
    """How many tasks would change nothing, over all hosts."""
    return sum(
        max(words.get("ok", 0) - words.get("changed", 0), 0) for words in run.counts.values()
    )


def _changed(run: Run, environment: str) -> Iterator[Change]:
    grouped: dict[tuple[str, str, str], list[TaskResult]] = defaultdict(list)
    for each in run.results:
        # A loop reports every item and then a summary with all of them: the items are enough.
        summary = not each.item and "results" in each.result
        if each.changed and not summary:
            grouped[(each.role, each.task, _diff(each))].append(each)
    for (_, task, diff), found in grouped.items():
        hosts = sorted({each.host for each in found})
        kind = Kind.CREATE if _creates(found) else Kind.UPDATE
        yield Change(
            id=f"site:{','.join(hosts)}:{task}:{_what(found[0])}",
            environment=environment,
            half=Half.SITE,
            target=", ".join(hosts),
            kind=kind,
            severity=SEVERITY_OF[kind],
            summary=_summary(task, found),
            diff=diff,
        )


def _drift(run: Run, environment: str) -> Iterator[Change]:
    """What a host has done on its own: an apply leaves it until what people wrote agrees."""
    for each in run.results:
        for found in each.result.get("drift") or []:
            yield Change(
                id=f"site:{each.host}:drift:{found['id']}",
                environment=environment,
                half=Half.SITE,
                target=each.host,
                kind=Kind.UPDATE,
                severity=SEVERITY_OF[Kind.UPDATE],
                summary=str(found["summary"]),
                reasons=tuple(map(str, found["reasons"])),
            )


def _untold(run: Run, environment: str) -> Iterator[Change]:
    for each in run.results:
        reason = _why_unknown(each)
        if reason:
            yield Change(
                id=f"site:{each.host}:{each.task}:unknown",
                environment=environment,
                half=Half.SITE,
                target=each.host,
                kind=Kind.UNKNOWN,
                severity=SEVERITY_OF[Kind.UNKNOWN],
                summary=f"{each.task}: cannot be previewed",
                reasons=(reason,),
            )


def _why_unknown(each: TaskResult) -> str:
    if each.event == "runner_on_unreachable":
        return f"the host does not answer: {each.message}"
    if each.event in {"runner_on_failed", "runner_item_on_failed"}:
        return f"failed in check mode: {each.message}"
    if each.event.endswith("on_skipped") and NOT_RUN_IN_CHECK_MODE in each.message:
        return each.message
    if each.censored:
        return "its result is hidden, so a change could not be seen"
    return ""


def _summary(task: str, found: Iterable[TaskResult]) -> str:
    words = [text for each in found if (text := _what(each))]
    named = ", ".join(dict.fromkeys(words))
    return f"{task}: {named}" if named else task


def _what(each: TaskResult) -> str:
    arguments = (each.result.get("invocation") or {}).get("module_args") or {}
    for key in NAMES:
        value = each.result.get(key) or arguments.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return ", ".join(str(part) for part in value)
    return ""


def _creates(found: Iterable[TaskResult]) -> bool:
    """Whether every difference starts from nothing."""
    pairs = [pair for each in found for pair in _pairs(each)]
    return bool(pairs) and all(not before or _absent(before) for before, _, _ in pairs)


def _absent(before: object) -> bool:
    return isinstance(before, Mapping) and before.get("state") == "absent"


def _diff(each: TaskResult) -> str:
    return "\n".join(text for pair in _pairs(each) if (text := _unified(*pair)))


def _pairs(each: TaskResult) -> Iterator[tuple[Any, Any, str]]:
    found = each.result.get("diff") or []
    several = len(each.result.get("written") or []) > 1
    for diff in found if isinstance(found, list) else [found]:
        if isinstance(diff, Mapping) and "before" in diff and "after" in diff:
            told = diff.get("after_header") or diff.get("before_header")
            # A template's own header names a temporary file on the controller.
            header = told if several else _what(each) or told
            yield diff["before"], diff["after"], str(header).partition(" ")[0]
        elif isinstance(diff, Mapping) and diff.get("prepared"):
            yield "", diff["prepared"], _what(each)


def _unified(before: object, after: object, name: str) -> str:
    lines = difflib.unified_diff(
        _lines(before), _lines(after), fromfile=name, tofile=name, lineterm="", n=1
    )
    return "\n".join(lines)


def _lines(value: object) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True)
    return text.splitlines()
