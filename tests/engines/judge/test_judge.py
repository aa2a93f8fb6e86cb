"""The judge at work: what it reads, what it writes, and what it never does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from engines.judge.__main__ import judge, main
from engines.judge.config import Config
from engines.load.ask import Answer, Target
from engines.serve.metrics import Metrics
from tests.engines.judge.test_traffic import ONE, TWO, line
from tests.engines.stored import predicate

OLD, NEW = "a" * 64, "b" * 64
MARK = "tiny-lm.aaaaaaaaaaaa.bbbbbbbbbbbb"
EXPECTED = "A place where owned hardware stands."


def told(folder: Path) -> Config:
    probes = [{"prompt": f"What is a site, {number}?", "expected": EXPECTED} for number in range(8)]
    trial = {
        "name": "tiny-lm",
        "proven": {"key": OLD, "port": 20001},
        "canary": {"key": NEW, "port": 20002},
        "probes": probes,
    }
    return Config.model_validate(
        {
            "trials": [trial],
            "log": folder / "landfall.json",
            "withdrawn": folder / "withdrawn",
            "state": folder / "state",
        }
    )


def says(good: str, canary: str, error: str = "") -> Any:
    def ask(target: Target, _: str) -> Answer:
        mine = target.url.endswith(":20002")
        return Answer(
            text=canary if mine else good, ended=time.perf_counter(), error=error if mine else ""
        )

    return ask


def run(config: Config, asks: Any) -> dict[str, Any]:
    [found] = judge(config, asks=asks, read=lambda _: "")
    return found


def test_nonsense_is_taken_out(tmp_path: Path) -> None:
    config = told(tmp_path)
    found = run(config, says(EXPECTED, "zq zq zq"))
    assert found["verdict"] == "withdrawn"
    kept = json.loads((config.withdrawn / MARK).read_text())
    assert kept["canary"] == NEW
    assert "quality: answers to 8 probes" in kept["reasons"][0]
    assert json.loads((config.state / "verdicts" / f"{MARK}.json").read_text()) == kept
    assert EXPECTED not in (config.withdrawn / MARK).read_text()


def test_what_is_out_stays_out_and_is_asked_no_more(tmp_path: Path) -> None:
    config = told(tmp_path)
    run(config, says(EXPECTED, "zq zq zq"))
    before = (config.withdrawn / MARK).read_bytes()
    assert judge(config, asks=says(EXPECTED, EXPECTED), read=lambda _: "") == []
    assert (config.withdrawn / MARK).read_bytes() == before


def test_a_good_one_stays(tmp_path: Path) -> None:
    config = told(tmp_path)
    assert run(config, says(EXPECTED, EXPECTED))["verdict"] == "waiting"
    assert not config.withdrawn.exists()


def test_one_that_cannot_answer_is_taken_out(tmp_path: Path) -> None:
    config = told(tmp_path)
    assert run(config, says(EXPECTED, "", error="refused"))["verdict"] == "withdrawn"


def test_one_that_is_full_is_not_judged_by_that(tmp_path: Path) -> None:
    config = told(tmp_path)
    found = run(config, says(EXPECTED, "", error="429"))
    assert found["verdict"] == "waiting"
    assert found["seen"]["canary"]["probes"] == 0


def test_errors_are_those_since_the_canary_began(tmp_path: Path) -> None:
    config = told(tmp_path)
    config.log.write_text((line(TWO, 500) + "\n") * 50)
    asks = says(EXPECTED, EXPECTED)
    assert run(config, asks)["seen"]["canary"]["requests"] == 0
    with config.log.open("a") as log:
        log.write((line(ONE) + "\n") * 30 + (line(TWO) + "\n") * 10)
    assert run(config, asks)["verdict"] == "waiting"
    with config.log.open("a") as log:
        log.write((line(TWO, 500) + "\n") * 15)
    found = run(config, asks)
    assert found["verdict"] == "withdrawn"
    assert found["reasons"][0].startswith("errors: 15 of 25 requests failed")


def test_what_the_judge_asks_is_no_traffic(tmp_path: Path) -> None:
    """Engines that count every request: of 8 probes and 30 requests, 30 are traffic."""
    config = told(tmp_path)
    metrics = {port: Metrics("tiny-lm", predicate()) for port in (20001, 20002)}

    def ask(target: Target, _: str) -> Answer:
        metrics[int(target.url.rpartition(":")[2])].answered(
            "chat", first_s=0.5, rest_s=0.0, tokens=1
        )
        return Answer(text=EXPECTED, ended=0.0)

    def look() -> Any:
        [found] = judge(config, asks=ask, read=lambda port: metrics[port].text().decode())
        return found["seen"]["canary"]

    assert look()["first_tokens"] == 0
    for _ in range(30):
        metrics[20002].answered("chat", first_s=0.01, rest_s=0.0, tokens=1)
    assert look()["first_tokens"] == 30
    metrics[20002] = Metrics("tiny-lm", predicate())
    metrics[20002].answered("chat", first_s=0.01, rest_s=0.0, tokens=1)
    assert (look()["first_tokens"], look()["first_tokens"]) == (31, 31)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "judge.json"
    assert main(["--config", str(path)]) == 2
    value = json.loads(told(tmp_path).model_dump_json()) | {"trials": []}
    path.write_text(json.dumps(value))
    assert main(["--config", str(path)]) == 0
    path.write_text(json.dumps(value | {"bounds": {"slower": 0.5}, "more": 1}))
    assert main(["--config", str(path)]) == 2
    told_what = capsys.readouterr().err
    assert "bounds.slower" in told_what
    assert "more: unknown key" in told_what
