"""What comes back from a build host is checked against the plan: every lie is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engines import manifest, received
from engines.manifest import Outcome
from engines.nvidia import Device
from engines.plan import Plan
from landfall.errors import IntegrityError
from landfall.model.classification import Classification
from tests.engines.contained.conftest import Making, Site

pytestmark = pytest.mark.slow

LATENCY = {"requests_per_second": 50, "requests": 20, "ttft_p95_ms": 100, "tpot_p95_ms": 10}
GOOD = (
    Outcome(name="quality", outcome="passed", figures={"ratio": 1.01}),
    Outcome(name="determinism", outcome="passed"),
    Outcome(
        name="latency", outcome="passed", figures={"ttft_p95_ms": 90.0, "tpot_p95_ms": 9.0}
    ),
)  # fmt: skip


@pytest.fixture
def plan(site: Site, planned: Making) -> Plan:
    """The plan of an engine that was built, with gates that are said to be passed."""
    made = planned(gates={"latency": LATENCY})
    site.build(made)
    tell(site.out, gates=GOOD)
    return made


def tell(folder: Path, **changes: Any) -> None:
    """Let a manifest say something else."""
    about = manifest.read(folder).predicate
    manifest.write(folder, about.model_copy(update=changes))


def told(plan: Plan, folder: Path) -> list[str]:
    with pytest.raises(IntegrityError) as caught:
        received.check(plan, folder)
    return [line.strip() for line in caught.value.message.splitlines()[1:]]


def test_what_was_asked_for_is_taken(site: Site, plan: Plan) -> None:
    assert received.check(plan, site.out).predicate.key == plan.key


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"key": "b" * 64}, "key: bbbbbbbb"),
        ({"container": f"mirror/tensorrt-llm@sha256:{'b' * 64}"}, "container: mirror/tensorrt-llm"),
        ({"backend_version": "1.2.0"}, "backend_version: 1.2.0, the plan says 1.2.1"),
        ({"precision": "fp8"}, "precision: fp8, the plan says bf16"),
        ({"classification": Classification.RESTRICTED}, "classification: restricted"),
        ({"timing_cache": "1" * 64}, "timing_cache: 1111"),
        ({"approver": "mallory"}, "approver: mallory, the plan says none"),
        ({"slots": 64}, "slots: 64, the plan says 2"),
        ({"gates": GOOD[1:]}, "gates: quality is not told of"),
        ({"gates": (*GOOD, GOOD[0])}, "gates: quality is told of twice"),
    ],
)  # fmt: skip
def test_a_manifest_of_something_else(
    changes: dict[str, Any], expected: str, site: Site, plan: Plan
) -> None:
    tell(site.out, **changes)
    [found] = told(plan, site.out)
    assert found.startswith(expected)


def test_another_command_to_serve(site: Site, plan: Plan) -> None:
    assert plan.serve is not None
    evil = plan.serve.model_copy(update={"argv": (*plan.serve.argv, "--trust_remote_code")})
    tell(site.out, serve=evil)
    [found] = told(plan, site.out)
    assert found.startswith("serve: trtllm-serve /work/engine")


def test_other_weights(site: Site, plan: Plan) -> None:
    materials = manifest.read(site.out).predicate.materials
    files = {**materials.files, "model.safetensors": "e" * 64}
    tell(site.out, materials=materials.model_copy(update={"files": files}))
    [found] = told(plan, site.out)
    assert found.startswith("materials.files.model.safetensors: eeee")


def test_another_gpu(site: Site, plan: Plan) -> None:
    host = manifest.read(site.out).predicate.host
    device = Device(name="NVIDIA L4", compute_capability="8.9")
    tell(site.out, host=host.model_copy(update={"devices": (device,)}))
    assert told(plan, site.out) == ["host: built on NVIDIA L4, the plan says 1 NVIDIA L40S"]


@pytest.mark.parametrize(
    ("number", "figures", "expected"),
    [
        (0, {"ratio": 1.2}, "gates: quality is passed with ratio 1.2, the bound is 1.02"),
        (2, {"ttft_p95_ms": 90.0}, "gates: latency is passed with tpot_p95_ms None"),
        (2, {"ttft_p95_ms": 300.0, "tpot_p95_ms": 9.0}, "passed with ttft_p95_ms 300.0"),
    ],
)
def test_a_gate_that_says_passed_against_its_own_figures(
    number: int, figures: dict[str, float], expected: str, site: Site, plan: Plan
) -> None:
    gates = list(GOOD)
    gates[number] = gates[number].model_copy(update={"figures": figures})
    tell(site.out, gates=tuple(gates))
    [found] = told(plan, site.out)
    assert expected in found


def test_a_gate_that_did_not_run_is_no_lie(site: Site, plan: Plan) -> None:
    missed = Outcome(name="quality", outcome="not run", detail="no text")
    tell(site.out, gates=(missed, *GOOD[1:]))
    assert not received.check(plan, site.out).predicate.passed


def test_files_that_are_not_the_models(site: Site, plan: Plan) -> None:
    tokenizer = site.out / "model" / "tokenizer.json"
    tokenizer.unlink()  # it is one file with the model's own
    tokenizer.write_text('{"other": 1}')
    (site.out / "model" / "custom.py").write_text("import os")
    (site.out / "start.sh").write_text("curl")
    about = manifest.read(site.out).predicate
    manifest.write(site.out, about)
    assert told(plan, site.out) == [
        "model/tokenizer.json: is not that of the plan",
        "model/custom.py: is no part of such an engine",
        "start.sh: is no part of such an engine",
    ]


def test_a_file_that_was_changed_on_the_way(site: Site, plan: Plan) -> None:
    with (site.out / "engine" / "rank0.engine").open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(IntegrityError, match=r"rank0\.engine differs from the manifest"):
        received.check(plan, site.out)


def test_a_serving_file_that_is_not_the_plans(site: Site, planned: Making) -> None:
    made = planned(mode="pytorch", kv_cache="fp8")
    site.build(made)
    received.check(made, site.out)
    (site.out / "serve.yaml").write_text("trust_remote_code: true")
    manifest.write(site.out, manifest.read(site.out).predicate)
    assert told(made, site.out) == ["serve.yaml: is not that of the plan"]
