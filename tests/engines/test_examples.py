"""The example specs for GPUs: what is planned for each kind of GPU, to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engines import catalog, plan, source
from engines.facts import Facts
from engines.spec import load
from engines.target import Server, Target, resolve
from landfall.model.environment import ROOT

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = sorted((ROOT / "examples/engines").glob("*.yaml"))

SITE = tuple(
    Server(
        name=f"gpu-{number}",
        gpu=f"NVIDIA {gpu}",
        count=2,
        groups=frozenset({"all", "gpu_hosts"}),
        memory_gib=250,
    )
    for number, gpu in enumerate(("A40", "L40S", "H100 PCIe"), 1)
)


def cases() -> list[tuple[Path, Target]]:
    return [(path, each) for path in EXAMPLES for each in resolve(load(path).target, SITE)]


def name(path: Path, target: Target) -> str:
    return f"{path.stem}-{target.name.lower().replace(' ', '-')}.json"


@pytest.mark.parametrize(("path", "target"), cases(), ids=lambda each: getattr(each, "name", ""))
def test_plans_are_these(path: Path, target: Target, host: Facts) -> None:
    spec = load(path)
    assert spec.model.classification is not None
    model = spec.model.path.rpartition("/")[2]
    found = source.planned(model, catalog.models()[model].shape, spec.model.classification)
    made = plan.plan(spec, found, host, target).to_json()
    assert made == (GOLDEN / name(path, target)).read_text()


def test_every_golden_file_is_of_a_case() -> None:
    assert {each.name for each in GOLDEN.glob("*.json")} == {name(*case) for case in cases()}


def test_every_kind_of_plan_is_there() -> None:
    plans = [plan.read(each.read_text()) for each in GOLDEN.glob("*.json")]
    assert {(each.backend, each.mode) for each in plans} == set(catalog.modes())
    assert {each.target for each in plans} == {"A40", "L40S", "H100 PCIe"}


def test_the_specs_that_the_documents_show_load(tmp_path: Path) -> None:
    text = (ROOT / "docs/engines.md").read_text()
    shown = [each for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind:" in each]
    assert len(shown) == 2
    for number, each in enumerate(shown):
        path = tmp_path / f"{number}.yaml"
        path.write_text(each)
        assert load(path).kind in {"embedding", "onnx_graph"}
