"""Data about GPUs and what runs on them: whole, with sources, and "not established" shows."""

from __future__ import annotations

import pytest

from engines import catalog
from engines.precision import CACHE, WEIGHTS

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
