"""The arithmetic of a fit, against published logs; what cannot run; what is never wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import catalog
from engines.fit import GIB, MIB, Ask, Verdict
from engines.fit.memory import fit, sequence_size, shape_of
from engines.precision import WEIGHTS
from landfall.errors import InvalidInput


def ask(model: str = "llama-3.1-8b", gpu: str = "L40S", **changed: Any) -> Ask:
    usual: dict[str, Any] = {"batch": 8, "sequence": 8192}
    return Ask(model=model, shape=shape_of(model), gpu=catalog.gpus()[gpu], **{**usual, **changed})


def test_weights_are_those_of_the_published_log() -> None:
    """TensorRT-LLM's log: the engine has 6695 MiB (LLaMA-7B's shape, weights at 8 bit)."""
    found = fit(ask("llama-7b", "H100 SXM", mode="engine", weights="fp8", sequence=2048))
    weights = sum(item.size for item in found.items if item.name.startswith("weights"))
    assert weights / MIB == pytest.approx(6695, rel=0.01)


def test_the_pool_and_its_blocks_are_those_of_the_published_log() -> None:
    """70.48 GiB are free after everything else; 63.44 GiB and 4060 blocks of 64 tokens."""
    asked = ask("llama-7b", "H100 SXM", mode="engine", weights="fp8", cache="fp8", sequence=2048)
    found = fit(asked)
    free = 70.48 * GIB
    pool = int(free * asked.fraction)
    assert pool / GIB == pytest.approx(63.44, rel=0.01)
    assert pool // (found.per_token * 64) == pytest.approx(4060, rel=0.01)
    assert found.pool == pytest.approx((asked.gpu.memory - found.used) * 0.9, abs=1)


def test_vllm_means_all_memory_by_its_fraction() -> None:
    """Its log: 39.50 GiB * 0.9 = 35.55; weights 14.96, others 0.10, activations 9.37: 11.12."""
    gpu = replace(catalog.gpus()["A100 80GB SXM"], memory_mib=int(39.50 * 1024))
    asked = replace(ask(backend="vllm", mode="serve"), gpu=gpu)
    found = fit(asked)
    weights = sum(item.size for item in found.items if item.name.startswith("weights"))
    assert weights / GIB == pytest.approx(14.96, rel=0.01)
    activations = next(item.size for item in found.items if item.name == "activations")
    given_theirs = found.pool + activations - 9.37 * GIB
    assert given_theirs / GIB == pytest.approx(11.12, rel=0.01)


@pytest.mark.parametrize(
    ("weights", "bits"),
    [("bf16", 16), ("fp8", 8), ("int4_awq", 4.125), ("nvfp4", 4.5), ("int4_gptq", 4.15625)],
)
def test_bits_of_a_weight_with_its_scales(weights: str, bits: float) -> None:
    assert WEIGHTS[weights].of(128 * 1000) == 128 * 1000 * bits / 8


def test_gpt_oss_is_as_large_as_its_checkpoint() -> None:
    """Only experts are at 4 bit; the checkpoint has 12.8 GiB (model card, arXiv 2508.10925)."""
    found = fit(ask("gpt-oss-20b", "B200", weights="mxfp4"))
    weights = sum(item.size for item in found.items if item.name.startswith("weights"))
    assert weights / GIB == pytest.approx(12.8, rel=0.01)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"gpu": "A40", "weights": "fp8"}, "weights: fp8 weights need compute capability 8.9"),
    ({"gpu": "H100 PCIe", "weights": "nvfp4"}, "nvfp4 weights need compute capability 10.0"),
    ({"gpu": "A40", "mode": "engine", "weights": "w4a8_awq"}, "need compute capability 8.9"),
    ({"model": "qwen2.5-7b", "tp": 8}, "tp: 28 heads do not divide by 8"),
    ({"model": "phi-4", "tp": 4}, "tp: 10 heads of keys and values do not divide by 4"),
    ({"tp": 3}, "tp: 3 GPUs cannot share a layer; 1, 2, 4, 8 can"),
    ({"sequence": 200_000}, "sequence: llama-3.1-8b reads at most 131072 tokens, not 200000"),
    ({"batch": 0}, "batch: must be at least 1, not 0"),
    ({"fraction": 1.0}, "fraction: above 0 and below 1"),
    ({"pp": 33}, "pp: 1 to 32 groups, not 33"),
]


@pytest.mark.parametrize(("changed", "expected"), REFUSED)
def test_what_cannot_run_is_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        fit(ask(**changed))
    assert expected in str(caught.value)


def test_all_reasons_are_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        fit(ask(gpu="A40", weights="fp8", sequence=200_000, tp=3))
    assert len(caught.value.problems) == 3


def test_an_fp8_cache_on_an_a40_is_another_matter() -> None:
    assert fit(ask(gpu="A40", cache="fp8")).verdict is Verdict.FITS


def test_what_is_not_established_is_said() -> None:
    found = fit(ask(gpu="A40", weights="int8_sq"))
    assert any(each.startswith("int8_sq weights: not established") for each in found.open)
    assert "A40: visible memory with ECC" in found.open


def test_the_three_verdicts_and_what_binds() -> None:
    whole, waits = fit(ask()), fit(ask(batch=64))
    none, alone = fit(ask("llama-3.1-70b")), fit(ask("qwen2.5-32b", "H100 SXM", sequence=32768))
    assert (whole.verdict, whole.binds) == (Verdict.FITS, "nothing: memory is left")
    assert (waits.verdict, waits.binds) == (Verdict.WAITS, "the cache")
    assert none.verdict is Verdict.NOT
    assert none.binds == "the weights and what they need leave nothing for the cache"
    assert none.largest_batch == none.largest_sequence == 0
    assert alone.largest_batch == 1


ASKS = st.builds(
    ask,
    model=st.sampled_from(sorted(catalog.models())),
    gpu=st.sampled_from(sorted(catalog.gpus())),
    batch=st.integers(1, 512),
    sequence=st.integers(1, 8192),
    cache=st.sampled_from(["bf16", "fp8"]),
    tp=st.sampled_from([1, 2]),
    tokens=st.integers(256, 16384),
)


def fitted(asked: Ask) -> Any:
    try:
        return fit(asked)
    except InvalidInput:
        return None


@given(ASKS)
def test_the_largest_that_is_told_fits_and_the_next_does_not(asked: Ask) -> None:
    found = fitted(asked)
    if found is None:
        return
    if found.largest_batch:
        assert fit(replace(asked, batch=found.largest_batch)).verdict is Verdict.FITS
    assert fit(replace(asked, batch=found.largest_batch + 1)).verdict is not Verdict.FITS
    if found.largest_sequence:
        assert sequence_size(asked, found.largest_sequence) * asked.batch <= found.pool
    if found.largest_sequence < asked.shape.context:
        assert sequence_size(asked, found.largest_sequence + 1) * asked.batch > found.pool


@given(ASKS, st.integers(1, 40))
def test_a_larger_gpu_never_holds_less(asked: Ask, more: int) -> None:
    found = fitted(asked)
    if found is not None:
        larger = replace(asked.gpu, memory_mib=asked.gpu.memory // MIB + more * 1024)
        assert fit(replace(asked, gpu=larger)).pool > found.pool


@given(ASKS)
def test_every_byte_is_somewhere(asked: Ask) -> None:
    found = fitted(asked)
    if found is not None and found.pool > 0:
        assert found.used + found.pool <= asked.gpu.memory
        assert all(item.size >= 0 and item.why for item in found.items)
