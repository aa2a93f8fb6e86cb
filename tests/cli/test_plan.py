"""`landfall engine plan` for GPUs: the answer for people and programs, and what preview says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from landfall.cli.flow import engine, engine_changes, models, targets
from landfall.cli.main import app
from landfall.errors import InvalidInput, LandfallError, Refused
from landfall.model.change import Kind
from landfall.model.environment import ROOT, Environment, find
from tests.engines import tiny

RUN = CliRunner()
ASSISTANT = "examples/engines/assistant.yaml"


def no_registry() -> str:
    raise AssertionError("the registry was asked")


@pytest.fixture
def prod(tmp_path: Path) -> Environment:
    """prod of a checkout that has GPU specs of its own."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    for path in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(path, tmp_path)
    specs = tmp_path / "engines" / "specs"
    specs.mkdir(parents=True)
    shutil.copy(ROOT / ASSISTANT, specs)
    return find("prod", tmp_path)


def test_people_read_whether_it_fits_and_what_is_run() -> None:
    done = RUN.invoke(app, ["engine", "plan", str(ROOT / ASSISTANT), "--env", "prod"])
    assert done.exit_code == 0, done.output
    for expected in (
        "assistant on L40S, tensorrt_llm 1.2.1, mode pytorch, fp8",
        "assistant on H100 PCIe",
        "yes, 32 at a time with 8,192 tokens each",
        "container: PATH@sha256:DIGEST",
        "a host with 1 L40S, dedicated to builds or drained: gpu-2",
        "nobody has measured it",
        "--qformat fp8 \\",
        "free_gpu_memory_fraction: 0.9",
    ):
        assert expected in done.output


def test_programs_read_a_plan_for_each_kind_of_gpu() -> None:
    done = RUN.invoke(app, ["engine", "plan", str(ROOT / ASSISTANT), "--env", "prod", "--json"])
    plans = json.loads(done.output)
    assert [each["target"] for each in plans] == ["L40S", "H100 PCIe"]
    assert len({each["key"] for each in plans}) == 2


def test_the_first_environment_with_the_hardware_is_taken() -> None:
    wanted = engine.find(find("dev"), str(ROOT / ASSISTANT))
    assert targets.first(wanted, find("dev")).name == "prod"
    assert targets.first(wanted, find("staging")).name == "staging"


def test_a_site_without_the_hardware_says_who_has_it() -> None:
    with pytest.raises(LandfallError) as caught:
        targets.require(find("dev"), engine.find(find("dev"), str(ROOT / ASSISTANT)))
    assert caught.value.message == "the site of dev has no L40S, H100 PCIe"
    assert caught.value.hint == "prod, staging have one: give --env."


def test_groups_of_the_inventory_are_read_with_those_above() -> None:
    found = {each.name: each for each in targets.servers(find("prod"))}
    assert found["gpu-2"].groups == {"all", "gpu_hosts", "build_hosts"}
    assert (found["gpu-1"].gpu, found["gpu-1"].count) == ("NVIDIA A40", 2)


def test_an_environment_has_the_specs_that_its_site_can_run(prod: Environment) -> None:
    assert list(engine.specs(prod)) == ["assistant"]
    assert list(engine.specs(find("dev", prod.root))) == []


def test_every_target_that_is_refused_is_told_at_once(prod: Environment) -> None:
    path = prod.root / "engines/specs/assistant.yaml"
    written = yaml.safe_load(path.read_text())
    written |= {"target": "gpu_hosts", "precision": "w4a8_awq", "mode": "pytorch"}
    written["limits"]["max_sequence"] = 200_000
    path.write_text(yaml.safe_dump(written))
    with pytest.raises(InvalidInput) as caught:
        engine.plan_all(prod, engine.find(prod, "assistant"), registry=no_registry)
    told = [str(each) for each in caught.value.problems]
    assert sum("A40 has 8.6" in each for each in told) == 1
    assert sum("at most 131072 tokens" in each for each in told) == 3
    for each in ("for A40", "for L40S", "for H100 PCIe"):
        assert each in caught.value.source


def test_preview_says_what_is_missing_and_does_not_fail(prod: Environment) -> None:
    found = engine_changes.preview(prod, None)
    assert {each.id: each.kind for each in found.changes} == {
        "engines/assistant/L40S": Kind.UNKNOWN,
        "engines/assistant/H100 PCIe": Kind.UNKNOWN,
    }
    assert "container" in found.changes[0].reasons[0]


def test_preview_against_a_base_tells_the_part_that_differs(
    prod: Environment, tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(prod.root / "engines", base / "engines")
    assert engine_changes.preview(prod, base).changes == ()
    path = base / "engines/specs/assistant.yaml"
    path.write_text(path.read_text().replace("kv_cache: fp8", "kv_cache: bf16"))
    found = engine_changes.preview(prod, base).changes
    assert [each.id for each in found] == ["engines/assistant/L40S", "engines/assistant/H100 PCIe"]
    for each in found:
        assert each.reasons == ("the precision of the cache changes from bf16 to fp8",)


def test_a_model_that_is_nowhere_is_told(prod: Environment) -> None:
    wanted = engine.find(prod, "assistant")
    model = wanted.model.model_copy(update={"huggingface": "models/of-mine"})
    with pytest.raises(LandfallError, match="the catalog has no model 'of-mine'"):
        models.find(prod, wanted.model_copy(update={"model": model}), registry=no_registry)


def test_a_bare_graph_is_called_as_its_folder(prod: Environment) -> None:
    tiny.graph(prod.root / "models" / "tiny-graph")
    (prod.root / "engines/specs/ranker.yaml").write_text(yaml.safe_dump(tiny.GRAPH))
    [planned] = engine.plan_all(prod, engine.find(prod, "tiny-graph"), registry=no_registry)
    assert [step.action for step in planned.plan.steps] == ["quantise"]
    assert (planned.plan.source.name, planned.model.name) == ("tiny-graph", "tiny-graph")


def test_a_build_of_a_plan_that_is_not_whole_is_refused(prod: Environment) -> None:
    planned = engine.plan_all(prod, engine.find(prod, "assistant"), registry=no_registry)[0]
    with pytest.raises(Refused, match="missing: the model's files; container: PATH@sha256:DIGEST"):
        engine.ensure(prod, planned, on_host=False, on_progress=lambda _: None)
