"""Latency under a stated load: the bounds, and a real server that is measured."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines import build, gate, manifest
from engines.gate import latency
from engines.load.outcome import Outcome
from engines.load.statistics import Report, summarise
from engines.spec import Gates, LatencyGate
from landfall.errors import GateFailed
from tests.engines.gate.test_nonsense import plan_of

GATE = LatencyGate(requests_per_second=20, requests=20, ttft_p95_ms=100, tpot_p95_ms=20)


def report(first: float = 0.05, per_token: float = 0.01, failed: int = 0) -> Report:
    whole = [
        Outcome(due=at, sent=at, first=first, ended=first + 10 * per_token, tokens=11)
        for at in range(1, 21)
    ]
    cut = [replace(each, error="cut") for each in whole[:failed]]
    return summarise(whole[failed:] + cut)


def test_within_the_bounds() -> None:
    found = latency.judge(GATE, report())
    assert (found.name, found.outcome) == ("latency", "passed")
    assert (found.figures["ttft_p95_ms"], found.figures["tpot_p95_ms"]) == (50.0, 10.0)


MISSED: dict[str, tuple[Report, str]] = {
    "slow to begin": (report(first=0.2), "first token p95 200.0 ms, the bound is 100 ms"),
    "slow to go on": (report(per_token=0.05), "between tokens p95 50.0 ms, the bound is 20 ms"),
    "one failed": (report(failed=1), r"1 of 20 requests failed \(1 cut\)"),
    "all failed": (report(failed=20), "20 of 20 requests failed"),
    "answers of one token": (
        summarise([Outcome(due=1, sent=1, first=0.01, ended=0.01, tokens=1)]),
        "between tokens p95 nan ms",
    ),
    "nothing was asked": (summarise([]), "0 of 0 requests failed"),
}


@pytest.mark.parametrize(("found", "reason"), MISSED.values(), ids=MISSED)
def test_what_is_missed(found: Report, reason: str) -> None:
    with pytest.raises(GateFailed, match=reason):
        latency.judge(GATE, found)


@pytest.mark.services
@pytest.mark.slow
def test_a_build_is_measured_under_load(model: Path, spec: Any, tmp_path: Path) -> None:
    wide = GATE.model_copy(update={"ttft_p95_ms": 60_000.0, "tpot_p95_ms": 60_000.0})
    planned = plan_of(model, spec.model_copy(update={"gates": Gates(latency=wide)}))
    about = manifest.check(build.run(planned, model, tmp_path / "engine")).predicate
    found = {each.name: each for each in about.gates}
    assert found["latency"].figures["requests"] == 20.0
    assert gate.unmet(about) == ()


@pytest.mark.services
@pytest.mark.slow
def test_a_build_that_is_too_slow_is_refused(model: Path, spec: Any, tmp_path: Path) -> None:
    narrow = GATE.model_copy(update={"ttft_p95_ms": 0.001})
    planned = plan_of(model, spec.model_copy(update={"gates": Gates(latency=narrow)}))
    with pytest.raises(GateFailed, match="first token p95"):
        build.run(planned, model, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


@pytest.mark.services
def test_an_engine_that_cannot_be_served_is_told_so(
    signed: Any, model: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(signed.engine, tmp_path / "engine")
    (broken / "tokenizer.json").unlink()
    with pytest.raises(GateFailed, match=r"does not get ready[\s\S]*tokenizer.json is missing"):
        latency.measure(GATE, "tiny-lm", broken, model)


@pytest.mark.slow
def test_a_gate_that_did_not_run_is_not_passed(signed: Any) -> None:
    about = manifest.read(signed.engine).predicate
    waiting = manifest.Outcome(name="latency", outcome="not run", detail="no such host")
    waits = about.model_copy(update={"gates": (*about.gates, waiting)})
    assert gate.unmet(waits) == ("latency: not run, no such host",)
    never = about.model_copy(update={"gates": (), "quality": None})
    assert gate.unmet(never) == ("quality: not run",)
