"""What the judges of an environment's hosts say of their canaries."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from landfall import playbook
from landfall.errors import LandfallError
from landfall.model import release
from landfall.model.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one host says of one canary: kept, waiting or withdrawn, with reasons."""

    host: str
    name: str
    canary: str
    verdict: str
    reasons: tuple[str, ...]
    waiting: tuple[str, ...]
    seen: dict[str, dict[str, float]]


def ask(environment: Environment, on_task: Callable[[str], None]) -> list[Said]:
    """Have every host judge now; what each says of the canaries that the release names.

    Raises:
        Unreachable: a host does not answer.
        CommandFailed: a judge cannot judge.
    """
    run = playbook.run(environment, "judge.yml", on_task=on_task)
    out = {each.key for found in release.load(environment).values() for each in found.canaries}
    return [each for each in _said(run) if each.canary in out]


def _said(run: playbook.Run) -> Iterator[Said]:
    for each in run.results:
        if each.action.rpartition(".")[2] != "slurp" or "content" not in each.result:
            continue
        found = _parsed(str(each.result["content"]), each.host)
        yield Said(
            host=each.host,
            name=str(found["name"]),
            canary=str(found["canary"]),
            verdict=str(found["verdict"]),
            reasons=tuple(found["reasons"]),
            waiting=tuple(found["waiting"]),
            seen=found["seen"],
        )


def _parsed(content: str, host: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(content))
        return {name: found[name] for name in ("name", "canary", "verdict", "reasons", "waiting",
                                               "seen")}  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise LandfallError(f"{host}: its judge left a verdict that cannot be read") from error
