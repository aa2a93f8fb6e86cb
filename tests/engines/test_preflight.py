"""Which host can run which engine, and everything that is wrong where it cannot."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from engines import preflight
from engines.facts import Facts
from landfall.errors import Refused
from tests.engines import stored

CASES = tomllib.loads(Path(__file__).with_suffix(".toml").with_stem("preflight").read_text())
GIB = 2**30
L40S = {"name": "NVIDIA L40S", "compute_capability": "8.9", "memory_mib": 46068}
HOST: dict[str, Any] = {
    "machine": "x86_64",
    "cpu": "Xeon",
    "isa": ["avx2"],
    "python": "3.11.2",
    "packages": {"onnxruntime": "1.31.1"},
    "gpus": ["NVIDIA L40S", "NVIDIA L40S"],
    "devices": [L40S, L40S],
    "driver": "580.95.05",
    "cuda": "13.0",
    "container": "podman 4.3.1",
    "memory_gib": 256,
}
ENGINE: dict[str, Any] = {
    "target": "L40S",
    "backend": "tensorrt_llm",
    "backend_version": "1.2.1",
    "container": f"trtllm@sha256:{'1' * 64}",
    "host": Facts.model_validate(HOST),
}


@pytest.mark.parametrize("case", CASES)
def test_every_case(case: str) -> None:
    told = CASES[case]
    about = stored.predicate(**{**ENGINE, **told.get("about", {})})
    here = Facts.model_validate({**HOST, **told.get("here", {})})
    size = told.get("size_gib", 0) * GIB
    found = preflight.problems(about, here, size=size)
    assert [str(each) for each in found] == told["problems"]
    if not found:
        preflight.check(about, here, size=size)
        return
    with pytest.raises(Refused, match="cannot run on this host") as seen:
        preflight.check(about, here, size=size)
    assert all(each in seen.value.message for each in told["problems"])


def test_a_manifest_that_does_not_know_its_host_goes_by_the_name() -> None:
    bare = Facts.model_validate({**HOST, "devices": [], "driver": "", "cuda": ""})
    about = stored.predicate(**{**ENGINE, "host": bare})
    assert preflight.problems(about, Facts.model_validate(HOST)) == ()
    for name in ("NVIDIA A40", "NVIDIA L40S-48Q"):
        other = Facts.model_validate({**HOST, "gpus": [name]})
        assert [each.path for each in preflight.problems(about, other)] == ["gpu"]
