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


def test_memory_that_serving_takes_is_told(
    spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    made = plan.plan(spec, model_source, host)
    [need] = made.needs
    # 2 layers of 2 heads of 32 numbers, keys and values in float32; 4 rows of 128 tokens
    # for requests, and 4 for prompts that are kept
    assert model_source.token_bytes == 2 * 2 * 2 * 32 * 4
    assert need.size == made.expected_bytes + (4 + 4) * 128 * model_source.token_bytes


NOT_ON_A_CPU: dict[str, object] = {
    "container": f"mirror/x@sha256:{'0' * 64}",
    "parallelism": {"tensor": 2},
    "memory_fraction": 0.5,
    "draft": {"huggingface": "models/d"},
    "adapters": [{"name": "a", "huggingface": "adapters/a"}],
    "timing_cache": "0" * 64,
    "chat_template": "other.jinja",
    "generation": {"top_k": 1},
}


def test_what_only_gpus_have_is_refused_for_a_cpu(
    spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    wrong = EngineSpec.model_validate({**spec.model_dump(), **NOT_ON_A_CPU})
    with pytest.raises(InvalidInput) as caught:
        plan.plan(wrong, model_source, host)
    assert {each.path for each in caught.value.problems} == set(NOT_ON_A_CPU)
    assert all("leave it out" in each.message for each in caught.value.problems)


@pytest.mark.parametrize(
    ("changed", "form", "expected"),
    [
        ({}, "checkpoint", "for a Hugging Face folder take tensorrt_llm or vllm"),
        ({"kind": "onnx_graph"}, "graph", "kind onnx_graph needs an ONNX file"),
        ({"kind": "embedding"}, "graph", "kind embedding needs an encoder: model.onnx beside"),
        ({"kind": "embedding"}, "onnx", "kind embedding needs an encoder: model.onnx beside"),
    ],
)
def test_kinds_and_forms_go_together(
    changed: dict[str, str],
    form: str,
    expected: str,
    spec: EngineSpec,
    model_source: ModelSource,
    host: Facts,
) -> None:
    wanted = spec.model_copy(update=changed)
    with pytest.raises(InvalidInput, match=expected):
        plan.plan(wanted, model_source.model_copy(update={"form": form}), host)
