"""What check mode foresaw against what happened, task by task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A task on which check mode and the run that followed disagree."""

    host: str
    task: str
    foreseen: str
    happened: str

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: foresaw {self.foreseen}, but {self.happened} happened"


def outcomes(output: str) -> dict[tuple[str, str], str]:
    """What each task did on each host, from the text of the callback ansible.posix.json.

    A task that ran twice under one name is there twice, with a number.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    value, _ = json.JSONDecoder().raw_decode(output[output.index("{\n") :])  # a plan follows it
    for play in value["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                name = str(task["task"]["name"])
                seen[host, name] += 1
                number = seen[host, name]
                found[host, name if number == 1 else f"{name} ({number})"] = _outcome(result)
    return found


def _outcome(result: dict[str, Any]) -> str:
    if result.get("unreachable") or result.get("failed"):
        return f"failed: {result.get('msg', '')}"
    items = [each for each in result.get("results") or [] if isinstance(each, dict)]
    changed = sum(bool(each.get("changed")) for each in items) if items else result.get("changed")
    if not changed:
        return NOTHING
    return f"{changed} of {len(items)} changes" if items else "a change"


def surprises(
    foreseen: dict[tuple[str, str], str], happened: dict[tuple[str, str], str]
) -> list[Surprise]:
    """Every task on which the two disagree; one that did not run did nothing."""
    return [
        Surprise(host=host, task=task, foreseen=before, happened=after)
        for host, task in dict.fromkeys([*happened, *foreseen])
        if (before := foreseen.get((host, task), NOTHING))
        != (after := happened.get((host, task), NOTHING))
    ]


def unexpected(found: Iterable[Surprise], allowed: Iterable[dict[str, str]]) -> list[str]:
    """What is wrong with the surprises and the list of those that have a reason, as lines."""
    listed = {(each["task"], each["foreseen"], each["happened"]): each for each in allowed}
    seen = {(each.task, each.foreseen, each.happened): each for each in found}
    return [
        *(f"not on the list: {each}" for key, each in seen.items() if key not in listed),
        *(f"on the list, but foreseen now: {key[0]}" for key in listed if key not in seen),
        *(f"no reason: {key[0]}" for key, each in listed.items() if not each.get("reason")),
    ]
