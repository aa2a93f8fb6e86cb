"""Data about GPUs and what runs on them: whole, with sources, and "not established" shows."""

from __future__ import annotations

from typing import Any

import pytest

from engines import catalog, shape
from engines.fit import Ask
from engines.fit.memory import not_established, shape_of
from engines.fit.proposals import proposals
from engines.precision import CACHE, WEIGHTS
from landfall.model.gpu import MODELS

YES, NO, OPEN = True, False, None

CASES = [
    ("A40", "engine", "weights", "fp8", NO),
    ("A40", "pytorch", "weights", "fp8", NO),
    ("A40", "pytorch", "cache", "fp8", YES),
    ("A40", "engine", "cache", "fp8", NO),
    ("A40", "engine", "cache", "int8", YES),
    ("A40", "pytorch", "cache", "int8", OPEN),
    ("A40", "pytorch", "weights", "int4_awq", YES),
    ("A40", "pytorch", "weights", "int8_sq", OPEN),
    ("A40", "engine", "weights", "w4a8_awq", NO),
    ("L40S", "engine", "weights", "w4a8_awq", YES),
    ("L40S", "pytorch", "weights", "w4a8_awq", YES),
    ("L40S", "pytorch", "weights", "fp8", YES),
    ("L40S", "pytorch", "weights", "fp8_block", OPEN),
    ("H100 SXM", "pytorch", "weights", "fp8_block", YES),
    ("H100 SXM", "pytorch", "weights", "nvfp4", NO),
    ("H100 PCIe", "engine", "weights", "nvfp4", NO),
    ("B200", "engine", "weights", "nvfp4", YES),
    ("B200", "pytorch", "weights", "int4_awq", NO),
]


@pytest.mark.parametrize(("gpu", "mode", "kind", "precision", "expected"), CASES)
def test_what_runs_where(
    gpu: str, mode: str, kind: str, precision: str, expected: bool | None
) -> None:
    told = catalog.supported("tensorrt_llm", mode, kind, precision, catalog.gpus()[gpu])
    assert told.answer is expected
    assert bool(told.why) == (expected is not YES)


@pytest.mark.parametrize(
    ("gpu", "kind", "precision", "expected"),
    [
        ("A40", "weights", "fp8", YES),  # small weights; it computes at 16 bit
        ("A40", "cache", "fp8", OPEN),
        ("L40S", "weights", "int8", NO),
        ("H100 PCIe", "weights", "nvfp4", YES),
    ],
)
def test_vllm_has_rules_of_its_own(
    gpu: str, kind: str, precision: str, expected: bool | None
) -> None:
    told = catalog.supported("vllm", "serve", kind, precision, catalog.gpus()[gpu])
    assert told.answer is expected


def test_every_recipe_of_the_tables_has_its_arithmetic() -> None:
    for backend, mode in catalog.modes():
        for gpu in catalog.gpus().values():
            for name in WEIGHTS:
                catalog.supported(backend, mode, "weights", name, gpu)
    assert set(CACHE) >= {"bf16", "fp8", "int8"}


@pytest.mark.parametrize(
    ("mode", "family", "precision", "expected"),
    [
        ("engine", "qwen2", "fp8", False),
        ("pytorch", "qwen2", "fp8", True),
        ("engine", "qwen3", "bf16", True),
        ("pytorch", "phi3", "fp8", False),
        ("pytorch", "gpt_oss", "mxfp4", True),
        ("pytorch", "gemma2", "fp8", False),
    ],
)
def test_which_family_in_which_recipe(
    mode: str, family: str, precision: str, expected: bool
) -> None:
    assert catalog.listed("tensorrt_llm", mode, family, precision) is expected
    assert catalog.listed("vllm", "serve", family, precision)


def test_families_and_recipes_of_the_tables_are_known() -> None:
    for backend, mode in catalog.modes():
        for family, recipes in catalog.families(backend, mode).items():
            assert family in shape.FAMILIES
            assert set(recipes) <= set(catalog.precisions(backend, "weights"))


def test_what_no_table_lists_is_told_and_never_proposed() -> None:
    told = not_established(ask("phi-4", weights="fp8"))
    assert told == [
        "fp8 weights of phi3: the table of tensorrt_llm in mode pytorch does not list them"
    ]
    near = proposals(ask("phi-4", batch=200, sequence=16384))
    assert near
    assert {each.ask.weights for each in near} <= {"bf16", "w4a8_awq"}


def ask(model: str, **changed: Any) -> Ask:
    given = {"batch": 8, "sequence": 4096, **changed}
    return Ask(model=model, shape=shape_of(model), gpu=catalog.gpus()["L40S"], **given)


@pytest.mark.parametrize(
    ("version", "expected"), [("1.2.1", "13.1"), ("1.0.0", "12.9.86"), ("1.3.0", "")]
)
def test_what_a_release_is_made_with(version: str, expected: str) -> None:
    assert catalog.software("tensorrt_llm", version).get("cuda", "") == expected


@pytest.mark.parametrize("name", catalog.gpus())
def test_a_gpu_has_the_name_that_the_driver_gives_it(name: str) -> None:
    found = catalog.gpus()[name].driver_name
    assert found.startswith("NVIDIA ")
    inventories = {*MODELS.values(), "NVIDIA H200", "NVIDIA B200", "NVIDIA A100-SXM4-80GB"}
    assert found in inventories


def test_the_window_of_engines_is_closed() -> None:
    assert catalog.window("tensorrt_llm", "engine") == ("0.16.0", "1.2.1")
    assert catalog.window("tensorrt_llm", "pytorch") == ("1.0.0", "")
    assert "no more fixes" in catalog.end("tensorrt_llm", "engine")
    assert catalog.end("tensorrt_llm", "pytorch") == ""


@pytest.mark.parametrize("name", catalog.gpus())
def test_a_gpu_has_sources_and_its_memory_is_planned_for_less_than_is_there(name: str) -> None:
    gpu = catalog.gpus()[name]
    assert gpu.sources
    if gpu.memory_mib is None:
        assert any("visible memory" in each for each in gpu.not_established)
    else:
        # why the maker's number is a safe one where nothing else is known
        assert gpu.memory_mib * catalog.MIB > gpu.memory_gb * catalog.GB
