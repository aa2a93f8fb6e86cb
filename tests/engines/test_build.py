"""Builds: measured, whole or not at all, made once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engines import build, gate, manifest, plan, source
from engines.__main__ import main
from landfall import process
from landfall.errors import GateFailed, IntegrityError, InvalidInput, Refused

pytestmark = pytest.mark.slow


def test_a_build_says_what_it_reached(signed: object, here: plan.Plan) -> None:
    statement = manifest.check(signed.engine)  # type: ignore[attr-defined]
    about = statement.predicate
    assert about.key == here.key
    assert about.parts == here.parts
    assert isinstance(about.quality, manifest.Gate)
    assert about.speed is not None
    assert 0.9 < about.quality.ratio <= about.quality.max_ratio
    assert about.quality.ratio == about.quality.engine / about.quality.reference
    assert about.quality.engine != about.quality.reference  # it really was quantised
    assert about.speed.tokens_per_second > 1
    assert about.materials.files == here.source.files
    names = {each.name for each in statement.subject}
    assert names == {
        "model.onnx",
        "config.json",
        "tokenizer.json",
        "chat_template.jinja",
        "generation_config.json",
    }


def test_the_same_key_is_built_once(model: Path, here: plan.Plan, tmp_path: Path) -> None:
    said: list[str] = []
    build.run(here, model, tmp_path / "engine")
    build.run(here, model, tmp_path / "engine", said.append)
    assert said == ["tiny-lm: already built"]


def test_two_builders_of_one_engine(model: Path, here: plan.Plan, tmp_path: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(build.run, here, model, tmp_path / "e", said.append) for _ in "ab"]
        assert {each.result() for each in both} == {tmp_path / "e"}
    assert said.count("tiny-lm: already built") == 1
    manifest.check(tmp_path / "e")


@pytest.mark.services
def test_a_killed_build_leaves_nothing_half_done(
    model: Path, here: plan.Plan, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text(here.to_json())
    out = tmp_path / "engine"
    daemon = process.spawn(
        [
            *(sys.executable, "-m", "engines", "build", "--plan", tmp_path / "plan.json"),
            *("--source", model, "--out", out),
        ],
        name="build",
        record=tmp_path / "build.json",
        log=tmp_path / "build.log",
    )
    begun = process.wait_until(
        lambda: any(tmp_path.glob(".engine.partial-*/*")), timeout_s=60, interval_s=0.001
    )
    os.kill(daemon.pid, signal.SIGKILL)
    assert begun
    process.wait_until(lambda: not daemon.alive(), timeout_s=10)
    assert not out.exists()
    assert list(tmp_path.glob(".engine.partial-*"))
    build.run(here, model, out)
    manifest.check(out)
    assert not list(tmp_path.glob(".engine.partial-*"))


def test_a_changed_model_is_named(model: Path, here: plan.Plan, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    (copy / source.WEIGHTS).write_text("other")
    (copy / source.TOKENIZER).unlink()
    with pytest.raises(IntegrityError) as caught:
        build.run(here, copy, tmp_path / "engine")
    assert "model.safetensors has digest" in str(caught.value)
    assert "tokenizer.json is missing" in str(caught.value)
    assert not (tmp_path / "engine").exists()


def test_a_build_that_loses_too_much_is_refused(
    model: Path, here: plan.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = gate.perplexity
    seen: list[float] = []

    def worse(runtime: Any, rows: Any) -> float:
        seen.append(real(runtime, rows))
        return seen[-1] * (1.0 if len(seen) == 1 else 1.03)

    monkeypatch.setattr(gate, "perplexity", worse)
    with pytest.raises(GateFailed, match=r"perplexity .* against .* bound is 1\.02"):
        build.run(here, model, tmp_path / "engine")
    assert [path.name for path in tmp_path.iterdir()] == [".engine.lock"]


def test_a_plan_for_another_host_is_refused(
    model: Path, spec: object, model_source: object, host: object, tmp_path: Path
) -> None:
    other = plan.plan(spec, model_source, host)  # type: ignore[arg-type]
    foreign = other.parts | {"target": "riscv64"}
    moved = other.model_copy(update={"parts": foreign})
    with pytest.raises(Refused, match="for another host: target is"):
        build.run(moved, model, tmp_path / "engine")


def test_a_plan_with_steps_of_its_own_is_refused(
    model: Path, here: plan.Plan, tmp_path: Path
) -> None:
    step = plan.PlannedStep(action="copy", settings={"file": "../../secret"})
    edited = here.model_copy(update={"steps": (*here.steps, step)})
    with pytest.raises(Refused, match="other steps"):
        build.run(edited, model, tmp_path / "engine")


def test_a_folder_of_something_else_is_left_alone(
    model: Path, here: plan.Plan, tmp_path: Path
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match="not an engine and not empty"):
        build.run(here, model, tmp_path / "engine")
    assert (tmp_path / "engine" / "thesis.txt").read_text() == "mine"


def test_no_text_to_measure_on(model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    (copy / source.EVALUATION).write_text("\n")
    with pytest.raises(InvalidInput, match="no text to measure"):
        gate.held_out(copy, room=64)


def test_the_command_prints_json(
    model: Path, here: plan.Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text(here.to_json())
    arguments = ["--plan", str(tmp_path / "plan.json"), "--source", str(model)]
    assert main(["build", *arguments, "--out", str(tmp_path / "engine")]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["key"] == here.key
    assert "measuring quality" in captured.err
    assert main(["build", "--plan", "/none", "--source", "/", "--out", "/none/x"]) == 2
    assert main(["facts"]) == 0


def test_the_manifest_carries_the_time_in_utc(signed: object) -> None:
    built = manifest.read(signed.engine).predicate.built  # type: ignore[attr-defined]
    assert built.utcoffset() is not None
    assert abs(built.timestamp() - time.time()) < 3600
