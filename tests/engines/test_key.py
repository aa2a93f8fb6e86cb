"""The key changes with everything that an engine depends on, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import key
from engines.facts import Facts
from engines.source import PARTS, ModelSource
from engines.spec import EngineSpec
from landfall.model.classification import Classification

MATTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "precision": ("spec", {"precision": "int4"}),
    "max_batch": ("limits", {"max_batch": 5}),
    "max_sequence": ("limits", {"max_sequence": 120}),
    "classification": ("spec", {"classification": Classification.CONFIDENTIAL}),
    "training_data": ("source", {"data_digest": "e" * 64}),
    "backend": ("facts", {"packages": {"onnxruntime": "1.31.2"}}),
    "target": ("facts", {"isa": ("avx2",)}),
}
DOES_NOT: dict[str, tuple[str, dict[str, Any]]] = {
    "the served name": ("spec", {"name": "other"}),
    "the queue": ("limits", {"max_queue": 7}),
    "the longest answer": ("limits", {"max_new_tokens": 9}),
    "the processor's name": ("facts", {"cpu": "Xeon Platinum 8368"}),
    "the interpreter": ("facts", {"python": "3.12.1"}),
    "another package": ("facts", {"packages": {"onnxruntime": "1.31.1", "vllm": "1"}}),
}


def changed(
    where: str, what: dict[str, Any], spec: EngineSpec, source: ModelSource, facts: Facts
) -> key.Parts:
    if where == "limits":
        where, what = "spec", {"limits": spec.limits.model_copy(update=what)}
    values = {"spec": spec, "source": source, "facts": facts}
    values[where] = values[where].model_copy(update=what)
    return key.parts(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", MATTERS)
def test_what_matters_changes_the_key(
    part: str, spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    before = key.parts(spec, model_source, host)
    after = changed(*MATTERS[part], spec, model_source, host)
    assert key.of(before) != key.of(after)
    assert part in key.difference(before, after)


@pytest.mark.parametrize("part", PARTS)
def test_every_file_changes_the_key(
    part: str, spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    before = key.parts(spec, model_source, host)
    files = {**model_source.files, PARTS[part]: "0" * 64}
    after = changed("source", {"files": files}, spec, model_source, host)
    assert key.of(before) != key.of(after)
    assert set(key.difference(before, after)) == {part}


@pytest.mark.parametrize("what", DOES_NOT)
def test_what_only_steers_serving_does_not(
    what: str, spec: EngineSpec, model_source: ModelSource, host: Facts
) -> None:
    before = key.parts(spec, model_source, host)
    after = changed(*DOES_NOT[what], spec, model_source, host)
    assert key.of(before) == key.of(after)


@given(st.dictionaries(st.text(min_size=1), st.text()), st.randoms())
def test_order_does_not_matter(parts: dict[str, str], random: Any) -> None:
    names = list(parts)
    random.shuffle(names)
    assert key.of(parts) == key.of({name: parts[name] for name in names})


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_a_difference_is_empty_exactly_for_equal_keys(
    old: dict[str, str], new: dict[str, str]
) -> None:
    assert (key.of(old) == key.of(new)) == (not key.difference(old, new))
