"""Specs for GPUs: every refusal with its path and what would be right, as the table has them."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines import catalog, plan
from engines.facts import Facts
from engines.source import ModelSource, planned
from engines.spec import EngineSpec
from engines.target import Server, Target, anywhere
from landfall.errors import InvalidInput, Problem
from landfall.model.parsing import parse

TABLE = tomllib.loads(Path(__file__).with_name("gpu.toml").read_text())


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = copy.deepcopy(TABLE["good"])
    for path, new in changes.items():
        *above, last = path.split(".")
        inner = value
        for each in above:
            inner = inner.setdefault(each, {})
        inner[last] = new
    return value


def spec(changes: dict[str, Any] | None = None) -> EngineSpec:
    return parse(EngineSpec, changed(changes or {}), source="x.yaml")


def model(wanted: EngineSpec, name: str) -> ModelSource:
    assert wanted.model.classification is not None
    return planned(name, catalog.models()[name].shape, wanted.model.classification)


def target(name: str, most: int = 0) -> Target:
    server = Server(name="gpu-9", gpu=f"NVIDIA {name}", count=most, memory_gib=250)
    return Target(name=name, servers=(server,)) if most else anywhere([name])[0]


def made(case: dict[str, Any], host: Facts) -> plan.Plan:
    wanted = spec(case.get("set"))
    source = model(wanted, case.get("model", "llama-3.1-8b"))
    return plan.plan(wanted, source, host, target(case.get("gpu", "L40S"), case.get("most", 0)))


def compare(case: dict[str, Any], problems: tuple[Problem, ...]) -> None:
    told = sorted(map(str, problems))
    if "errors" in case:
        assert told == sorted(case["errors"])
    else:
        assert len(told) == len(case["starts"])
        for found, start in zip(told, sorted(case["starts"]), strict=True):
            assert found.startswith(start), found


@pytest.mark.parametrize("case", TABLE["parse"], ids=lambda case: case["name"])
def test_words_are_refused_when_a_spec_is_read(case: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        spec(case["set"])
    compare(case, caught.value.problems)


@pytest.mark.parametrize("case", TABLE["plan"], ids=lambda case: case["name"])
def test_what_cannot_be_is_refused_when_it_is_planned(case: dict[str, Any], host: Facts) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(case, host)
    compare(case, caught.value.problems)


def test_the_good_one_is_planned_without_the_backend_on_this_machine(host: Facts) -> None:
    found = made({}, host.model_copy(update={"packages": {}}))
    assert found.fit is not None
    assert found.fit.verdict == "fits"
    assert found.missing == ("the model's files",)
    assert plan.read(found.to_json()) == found


def test_an_fp8_cache_on_an_a40_is_not_an_fp8_model(host: Facts) -> None:
    found = made({"gpu": "A40", "set": {"precision": "int4_awq", "kv_cache": "fp8"}}, host)
    assert found.kv_cache == "fp8"


def test_what_would_fit_is_told_in_the_words_of_the_spec(host: Facts) -> None:
    case = {"set": {"precision": "bf16", "limits.max_batch": 60}}
    [note] = [each for each in made(case, host).notes if "others wait" in each]
    assert "limits.max_batch: 60 → " in note
    assert "kv_cache: bf16 → " in note
    assert "parallelism.tensor: 1 → " in note


def test_no_more_gpus_are_proposed_than_one_host_has(host: Facts) -> None:
    case = {"set": {"precision": "bf16", "limits.max_batch": 60}, "most": 1}
    [note] = [each for each in made(case, host).notes if "others wait" in each]
    assert "parallelism.tensor" not in note


def test_the_spec_of_the_other_mode_can_be_copied_and_planned(host: Facts) -> None:
    case = {"mode": "engine", "version": "1.3.0", "parallelism.tensor": 2}
    with pytest.raises(InvalidInput) as caught:
        made({"set": case}, host)
    [problem] = caught.value.problems
    copied = yaml.safe_load(problem.message.partition("pytorch:\n")[2])
    again = parse(EngineSpec, copied, source="copied.yaml")
    assert (again.mode, again.version) == ("pytorch", "1.3.0")
    assert again.model_copy(update={"mode": "engine"}) == spec(case)
    assert plan.plan(again, model(again, "llama-3.1-8b"), host, target("L40S")).steps


@pytest.mark.parametrize("mode", ["pytorch", "engine"])
def test_only_the_mode_without_a_future_says_so(mode: str, host: Facts) -> None:
    notes = " ".join(made({"set": {"mode": mode}}, host).notes)
    assert ("no more fixes" in notes) == (mode == "engine")


def test_a_draft_and_adapters_reach_vllm(host: Facts) -> None:
    case = {
        **{"backend": "vllm", "version": "0.33.0", "precision": "bf16", "generation.top_k": 5},
        "draft": {"huggingface": "models/qwen3-0.6b", "tokens": 3},
        "adapters": [{"name": "law", "huggingface": "adapters/law", "rank": 32}],
    }
    found = made({"set": case}, host)
    assert found.serve is not None
    words = " ".join(found.serve.argv)
    assert '"num_speculative_tokens": 3' in words
    assert (
        "--enable-lora --max-lora-rank 32 --max-loras 1 --lora-modules law=/adapters/law" in words
    )
    assert list(found.files) == ["/work/generation/generation_config.json"]
    assert found.steps == ()
    assert found.fit is not None
    assert any("draft" in each for each in found.fit.not_established)
