"""Plans: pure values that fit their model, and that nobody edits on the way."""

from __future__ import annotations

import json

import pytest

from engines import plan
from engines.facts import Facts
from engines.source import ModelSource
from engines.spec import EngineSpec
from landfall.errors import InvalidInput
from landfall.model.classification import Classification


def test_a_plan_survives_the_way_as_json(
    spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    made = plan.plan(spec, model_source, host)
    assert plan.read(made.to_json()) == made
    assert [step.action for step in made.steps] == ["quantise", *["copy"] * 4]
    assert made.expected_bytes < model_source.graph_bytes / 3


@pytest.mark.parametrize("field", ["key", "parts", "source_digest"])
def test_an_edited_plan_is_refused(
    field: str, spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    value = json.loads(plan.plan(spec, model_source, host).to_json())
    value[field] = {**value[field], "precision": "int4"} if field == "parts" else "0" * 64
    with pytest.raises(InvalidInput, match="the plan was edited"):
        plan.read(json.dumps(value))


def test_what_does_not_fit_is_told_at_once(
    spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    wrong = spec.model_copy(
        update={
            "classification": Classification.PUBLIC,
            "limits": spec.limits.model_copy(update={"max_sequence": 4096}),
            "model": spec.model.model_copy(update={"version": "4"}),
        }
    )
    old = host.model_copy(update={"packages": {"onnxruntime": "1.19.0"}})
    with pytest.raises(InvalidInput) as caught:
        plan.plan(wrong, model_source, old)
    assert {each.path: each.message for each in caught.value.problems} == {
        "backend": "onnxruntime 1.19.0 is not one that engines were tested with;"
        " needed is 1.31 or newer, older than 1.32",
        "limits.max_sequence": "tiny-lm reads at most 128 tokens, not 4096",
        "classification": "tiny-lm version 3 was trained on confidential data, so the engine"
        " must be confidential or higher, not public",
        "model": "is tiny-lm version 4, not tiny-lm version 3",
    }


def test_a_host_without_the_backend_is_told(
    spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    with pytest.raises(InvalidInput, match="onnxruntime is not installed"):
        plan.plan(spec, model_source, host.model_copy(update={"packages": {}}))
