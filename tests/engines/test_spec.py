"""Specs: those of the repository load, and what is wrong is told at once, with its path."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from engines.spec import SPECS, EngineSpec, load, load_all
from landfall.errors import InvalidInput

CASES = tomllib.loads(Path(__file__).with_name("spec_errors.toml").read_text())["case"]
GOOD = {
    "name": "tiny-lm",
    "model": {"name": "tiny-lm", "version": "3"},
    "precision": "int8",
    "classification": "restricted",
    "limits": {"max_batch": 4, "max_sequence": 128, "max_new_tokens": 100},
}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = copy.deepcopy(GOOD)
    for path, new in changes.items():
        *above, last = path.split(".")
        inner = value
        for each in above:
            inner = inner.setdefault(each, {})
        inner[last] = new
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_problem_is_told(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(changed(case["set"])))
    with pytest.raises(InvalidInput) as caught:
        load(path)
    assert sorted(map(str, caught.value.problems)) == sorted(case["errors"])


def test_the_specs_of_the_repository_load() -> None:
    found = load_all()
    assert "tiny-lm" in found
    assert len(found) == len(list(SPECS.glob("*.yaml")))


def test_two_files_cannot_serve_one_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(GOOD))
    with pytest.raises(InvalidInput, match=r"b\.yaml: name: another file already serves"):
        load_all(tmp_path)


def test_problems_of_all_files_come_together(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(changed({"precision": "fp8"})))
    with pytest.raises(InvalidInput) as caught:
        load_all(tmp_path)
    assert [each.path for each in caught.value.problems] == [
        "a.yaml: precision",
        "b.yaml: precision",
    ]


KINDS = {
    "text_generation": {"quality": {"metric": "perplexity", "max_ratio": 1.02}},
    "embedding": {"embedding": {"min_cosine": 0.99, "min_neighbours": 0.95}},
    "onnx_graph": {"graph": {"max_relative": 0.02, "min_equal": 0.99}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_gates_of_its_own(kind: str) -> None:
    spec = EngineSpec.model_validate(changed({"kind": kind}))
    assert spec.gates.model_dump(exclude_none=True) == KINDS[kind]
    again = EngineSpec.model_validate(changed({"kind": kind, "gates": spec.gates.model_dump()}))
    assert again.gates == spec.gates


def test_a_graph_needs_no_limits() -> None:
    value = changed({"kind": "onnx_graph"})
    del value["limits"]
    assert EngineSpec.model_validate(value).limits.max_sequence == 1
    value["limits"] = {"max_queue": 8}
    assert EngineSpec.model_validate(value).limits.max_queue == 8
    with pytest.raises(ValueError, match="limits"):
        EngineSpec.model_validate({**value, "kind": "embedding"})
