"""The model in JAX: forward pass and loss. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.graph import EPSILON


def forward(config: ModelConfig, weights: Mapping[str, jax.Array], ids: jax.Array) -> jax.Array:
    """Logits [B, S, vocabulary] for `ids` [B, S], whose rows begin at position 0."""
    rows, length = ids.shape
    split = (rows, length, config.heads, config.head_dim)
    x = weights["embedding"][ids] + weights["positions"][:length]
    for layer in range(config.layers):
        own = f"layers.{layer}."
        normed = _rms_norm(x, weights[own + "attention_norm"])
        query, key, value = (
            each.reshape(split) for each in jnp.split(normed @ weights[own + "qkv"], 3, axis=-1)
        )
        mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
        x = x + mixed.reshape(x.shape) @ weights[own + "attention_out"]
        wide = _rms_norm(x, weights[own + "mlp_norm"]) @ weights[own + "up"]
        x = x + jax.nn.gelu(wide, approximate=True) @ weights[own + "down"]
    return _rms_norm(x, weights["norm"]) @ weights["embedding"].T


def loss(
    config: ModelConfig,
    weights: Mapping[str, jax.Array],
    tokens: jax.Array,
    targets: jax.Array,
    counts: jax.Array,
) -> jax.Array:
    """Mean negative log-likelihood of `targets`, in nats, each counted by `counts`."""
    logits = forward(config, weights, tokens)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    surprise = jax.nn.logsumexp(logits, axis=-1) - chosen
    return (surprise * counts).sum() / counts.sum()


def _rms_norm(x: jax.Array, gain: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + EPSILON) * gain
