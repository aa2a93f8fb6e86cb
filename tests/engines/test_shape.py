"""Shapes from config.json: parameters to the last one, and what is kept of a token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import catalog, shape
from engines.shape import Shape
from landfall.errors import InvalidInput

KEPT_AT_16_BIT = {
    "llama-3.1-8b": 131072,
    "llama-3.1-70b": 327680,
    "llama-3.1-405b": 516096,
    "qwen2.5-7b": 57344,
    "qwen2.5-32b": 262144,
    "qwen2.5-72b": 327680,
    "qwen3-0.6b": 114688,
    "qwen3-8b": 147456,
    "qwen3-32b": 262144,
    "qwen3-30b-a3b": 98304,
    "qwen3-235b-a22b": 192512,
    "mistral-7b-v0.3": 131072,
    "mixtral-8x7b": 131072,
    "phi-4": 204800,
    "gemma-2-9b": 344064,
    "gemma-2-27b": 376832,
    "gpt-oss-20b": 49152,
    "gpt-oss-120b": 73728,
}
"""Bytes of a token, as the models' publishers' numbers give them."""

DEEPSEEK_V3: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
}


@pytest.mark.parametrize("name", catalog.models())
def test_parameters_come_to_what_was_published(name: str) -> None:
    model = catalog.models()[name]
    if model.parameters is None:
        assert model.note  # it says what was not established
    else:
        assert model.shape.parameters == model.parameters


@pytest.mark.parametrize("name", KEPT_AT_16_BIT)
def test_bytes_that_are_kept_of_a_token(name: str) -> None:
    found = catalog.models()[name].shape
    assert 2 * found.layers * found.kept_per_layer() == KEPT_AT_16_BIT[name]


@pytest.mark.parametrize(
    ("name", "billions"), [("mixtral-8x7b", 12.88), ("qwen3-30b-a3b", 3.35), ("phi-4", 14.66)]
)
def test_parameters_that_work_on_one_token(name: str, billions: float) -> None:
    assert catalog.models()[name].shape.active / 1e9 == pytest.approx(billions, abs=0.005)


def test_a_latent_cache_is_shared_by_all_heads_and_not_split() -> None:
    found = shape.read(DEEPSEEK_V3)
    assert found.kept_per_layer() == found.kept_per_layer(8) == 512 + 64
    assert found.parameters / 1e9 == pytest.approx(671, abs=0.5)  # arXiv 2412.19437, abstract
    assert found.active / 1e9 == pytest.approx(37.5, abs=1)


def test_heads_are_split_but_never_below_one() -> None:
    found = catalog.models()["llama-3.1-8b"].shape
    assert [found.kept_per_layer(tp) // 256 for tp in (1, 2, 4, 8, 16)] == [8, 4, 2, 1, 1]


def test_layers_with_a_window_keep_no_more_than_it() -> None:
    found = catalog.models()["gemma-2-9b"].shape
    assert found.windows == ((21, 4096), (21, shape.FULL))
    assert found.kept(8192) == found.kept_per_layer() * 21 * (4096 + 8192)
    assert found.kept(100) == found.kept_per_layer() * 42 * 100


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model_type": "bert"}, "model_type: 'bert' is not known here"),
        ({"hidden_size": None}, "hidden_size: a whole number above 0, not None"),
        ({"vocab_size": "many"}, "vocab_size: a whole number above 0, not 'many'"),
        ({"num_hidden_layers": True}, "num_hidden_layers: a whole number above 0"),
    ],
)
def test_what_is_no_shape_is_refused(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected.split(":", maxsplit=1)[0]) as caught:
        shape.read({**DEEPSEEK_V3, **changed})
    assert expected in str(caught.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        shape.read({"model_type": "llama"})
    assert len(caught.value.problems) == 6


@given(st.integers(1, 200_000), st.sampled_from(sorted(catalog.models())))
def test_more_tokens_never_take_less(tokens: int, name: str) -> None:
    found: Shape = catalog.models()[name].shape
    assert found.kept(tokens) <= found.kept(tokens + 1)
    assert found.kept(tokens) <= tokens * found.layers * found.kept_per_layer()
