"""What the hosts' judges say, read from a run; and loads and lives that are refused or shown."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from rich.console import Console

from engines.load.outcome import Outcome
from engines.load.statistics import summarise
from landfall import playbook
from landfall.cli.console import reporter
from landfall.cli.flow import judging, life, loading
from landfall.errors import LandfallError, Refused
from landfall.model.environment import Environment
from landfall.playbook.run import Run, TaskResult

OLD, NEW, GONE = "a" * 64, "b" * 64, "c" * 64


def said(canary: str, verdict: str = "kept") -> dict[str, Any]:
    return {
        "time": "2027-01-01T00:00:00+00:00",
        "name": "tiny-lm",
        "proven": OLD,
        "canary": canary,
        "verdict": verdict,
        "reasons": ["quality: too low"] if verdict == "withdrawn" else [],
        "waiting": [],
        "seen": {"proven": {}, "canary": {}},
    }


def slurped(value: object, host: str = "gpu-1") -> TaskResult:
    text = value if isinstance(value, str) else json.dumps(value)
    return TaskResult(
        event="runner_item_on_ok", host=host, task="Read it", role="", item=True,
        action="ansible.builtin.slurp",
        result={"content": base64.b64encode(text.encode()).decode()},
    )  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *results: TaskResult) -> None:
    done = Run(results=results, counts={})
    monkeypatch.setattr(playbook, "run", lambda *_, **__: done)


def released(dev: Environment) -> Environment:
    engines = f"[{{key: {OLD}, share: 90}}, {{key: {NEW}, share: 10}}]"
    dev.release_file.write_text(f"tiny-lm: {{engines: {engines}}}\n")
    return dev


def test_only_canaries_of_the_release_are_told(
    dev: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, slurped(said(NEW, "withdrawn")), slurped(said(GONE)))
    [found] = judging.ask(released(dev), print)
    assert (found.host, found.canary, found.verdict) == ("gpu-1", NEW, "withdrawn")
    assert found.reasons == ("quality: too low",)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_verdict_that_cannot_be_read(
    dev: Environment, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    run(monkeypatch, slurped(text))
    with pytest.raises(LandfallError, match="gpu-1: its judge left a verdict"):
        judging.ask(released(dev), print)


def test_a_life_is_for_rehearsals_that_answer(dev: Environment) -> None:
    asked = life.Asked()
    with pytest.raises(Refused, match="no rehearsal that answers"):
        life.live(dev, reporter(), asked)
    with pytest.raises(Refused, match="has a canary already"):
        life.live(released(dev), reporter(), asked)
    prod = Environment(name="prod", root=dev.root)
    prod.release_file.write_text(f"tiny-lm: {{engines: [{{key: {OLD}, share: 100}}]}}\n")
    with pytest.raises(Refused, match="no rehearsal"):
        life.live(prod, reporter(), asked)


def test_a_report_of_nothing_says_nothing_wrong() -> None:
    value = loading.as_json(summarise([]))
    assert value["whole"] == {"p50": None, "p95": None, "p99": None}
    failed = summarise([Outcome(due=1, sent=1, first=None, ended=2, tokens=0, error="503")])
    console = Console(record=True, width=100)
    console.print(loading.table(failed))
    text = console.export_text()
    assert "1 503" in text
    assert "nan" not in text
    assert math.isnan(failed.first_token.p50)
