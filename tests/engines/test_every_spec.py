"""Whatever a spec for a GPU asks: a whole plan, or problems with paths; and no unknown option."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engines import catalog, plan, recipes, source
from engines.facts import Facts
from engines.limits import Limits
from engines.recipes import Command
from engines.spec import EngineSpec
from engines.target import anywhere
from landfall.errors import InvalidInput
from landfall.model.classification import Classification
from tests.engines.conftest import FACTS

HOST = Facts.model_validate(FACTS)
VERSIONS = {"tensorrt_llm": ("1.0.0", "1.2.1", "1.3.0", "1.4.0rc1"), "vllm": ("0.33.0",)}
LIMITS = st.fixed_dictionaries(
    {
        "max_batch": st.integers(1, 256),
        "max_sequence": st.sampled_from([2, 1024, 4096, 200_000]),
        "max_tokens": st.sampled_from([None, 512, 8192, 16384]),
    }
)


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """A spec, as people would write it: all words known, no more."""
    backend, mode = draw(st.sampled_from(catalog.modes()))
    model = draw(st.sampled_from(list(catalog.models())))
    return {
        "name": "any",
        "model": {"huggingface": f"models/{model}", "classification": "public"},
        "backend": backend,
        "mode": mode,
        "version": draw(st.sampled_from(VERSIONS[backend])),
        "target": draw(st.sampled_from(list(catalog.gpus()))),
        "precision": draw(st.sampled_from(catalog.precisions(backend, "weights"))),
        "kv_cache": draw(st.sampled_from(catalog.precisions(backend, "cache"))),
        "parallelism": {
            "tensor": draw(st.sampled_from([1, 2, 3, 4, 8])),
            "pipeline": draw(st.sampled_from([1, 2])),
        },
        "classification": "internal",
        "limits": draw(LIMITS),
    }


@settings(max_examples=100, deadline=None)
@given(written())
def test_a_plan_or_problems_with_paths(value: dict[str, Any]) -> None:
    spec = EngineSpec.model_validate(value)
    name = spec.model.path.rpartition("/")[2]
    model = source.planned(name, catalog.models()[name].shape, Classification.PUBLIC)
    [target] = anywhere(spec.target)
    try:
        made = plan.plan(spec, model, HOST, target)
    except InvalidInput as error:
        problems = error.problems
    else:
        check(made, spec)
        return
    assert problems
    assert [each for each in problems if not (is_field(each.path) and each.message)] == []


def check(made: plan.Plan, spec: EngineSpec) -> None:
    assert plan.read(made.to_json()) == made
    assert made.fit is not None
    assert made.fit.largest_batch >= 1
    assert made.serve is not None
    for step in (*made.steps, made.serve):
        command = Command(tool=step.action, argv=step.argv, why=step.why)
        assert list(recipes.unknown(command, spec.version)) == []


def is_field(path: str) -> bool:
    first, _, rest = path.partition(".")
    inner: dict[str, Collection[str]] = {
        "limits": Limits.model_fields,
        "parallelism": ("tensor", "pipeline"),
    }
    return first in EngineSpec.model_fields and (not rest or rest in inner.get(first, {}))


@settings(max_examples=30, deadline=None)
@given(written(), st.integers(2, 64))
def test_more_requests_never_fit_better(value: dict[str, Any], more: int) -> None:
    found = []
    for factor in (1, more):
        limits = {**value["limits"], "max_batch": value["limits"]["max_batch"] * factor}
        spec = EngineSpec.model_validate({**value, "limits": limits})
        name = spec.model.path.rpartition("/")[2]
        model = source.planned(name, catalog.models()[name].shape, Classification.PUBLIC)
        try:
            made = plan.plan(spec, model, HOST, anywhere(spec.target)[0])
        except InvalidInput:
            return
        assert made.fit is not None
        found.append(made.fit)
    few, many = found
    assert (few.pool, few.largest_batch) == (many.pool, many.largest_batch)
    assert not (many.verdict == "fits" and few.verdict != "fits")
    assert many.largest_sequence <= few.largest_sequence
