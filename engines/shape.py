"""What a model is made of: its tensors by group, and what it keeps of each token.

Everything here is arithmetic over a model's own config.json; nothing is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Any

from landfall.errors import InvalidInput, Problem

FULL = 0
"""A window of no tokens stands for attention over the whole sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """The mixture-of-experts blocks of a model.

    Attributes:
        count: routed experts in a layer; `top` of them work on each token.
        shared: experts that work on every token.
        width: the inner width of one expert.
        dense_layers: layers at the beginning that have an ordinary block instead.
    """

    count: int
    top: int
    width: int
    shared: int = 0
    dense_layers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    One compressed vector and one rotated key are kept of each token, shared by all heads.
    """

    query: int
    cache: int
    rotary: int
    plain: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A decoder-only transformer. Widths are in elements, lengths in tokens.

    Attributes:
        context: the longest sequence that it was made for.
        windows: of each kind of layer, how many layers there are and how far back they look.
        tied: whether the embedding is the output layer, too.
        qkv_bias: biases on queries, keys and values; `out_bias` on what follows them.
        qk_norm: a norm on each head's queries and keys.
        norms: norms in a layer.
        sinks: a learned number for each head (gpt-oss).
        expert_bias: biases in router and experts (gpt-oss).
    """

    family: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocab: int
    context: int
    windows: tuple[tuple[int, int], ...]
    tied: bool = False
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    sinks: bool = False
    experts: Experts | None = None
    expert_bias: bool = False
    latent: Latent | None = None

    @property
    def parameters(self) -> int:
        """All of them."""
        return sum(group.parameters for group in self.groups())

    @property
    def active(self) -> int:
        """Those that work on one token."""
        return sum(group.active for group in self.groups())

    @lru_cache(maxsize=256)  # noqa: B019  bounded, and a shape is a value
    def groups(self) -> tuple[Group, ...]:
        """The tensors by what quantisation and splitting do to them."""
        return tuple(self._groups())

    def _groups(self) -> Iterator[Group]:
        yield Group(name="embedding", parameters=self.vocab * self.hidden, quantised=False)
        if not self.tied:
            yield Group(name="output", parameters=self.vocab * self.hidden, quantised=False)
        yield Group(name="attention", parameters=self.layers * self._attention(), quantised=True)
        dense = self.layers if self.experts is None else self.experts.dense_layers
        if dense:
            yield Group(name="dense", parameters=dense * 3 * self.hidden * self.inner)
        if self.experts is not None:
            yield from self._experts(self.experts)
        small = self.layers * self._small() + self.hidden
        yield Group(name="norms and biases", parameters=small, quantised=False)

    def _attention(self) -> int:
        if self.latent is not None:
            latent, head = self.latent, self.latent.plain + self.latent.rotary
            query = (
                self.hidden * latent.query + latent.query * self.heads * head
                if latent.query
                else self.hidden * self.heads * head
            )
            down = self.hidden * (latent.cache + latent.rotary)
            up = latent.cache * self.heads * (latent.plain + latent.value)
            return query + down + up + self.heads * latent.value * self.hidden
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return self.hidden * (2 * queries + 2 * keys)

    def _small(self) -> int:
        """Of one layer: what stays at 16 bit in every recipe."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        found = self.norms * self.hidden
        found += (queries + 2 * keys) if self.qkv_bias else 0
        found += self.hidden if self.out_bias else 0
        found += 2 * self.head_dim if self.qk_norm else 0
        found += self.heads if self.sinks else 0
        if self.latent is not None:
            found += self.latent.cache + self.latent.query
        return found

    def _experts(self, experts: Experts) -> Iterator[Group]:
        layers = self.layers - experts.dense_layers
        one = 3 * self.hidden * experts.width
        if self.expert_bias:
            one += 2 * experts.width + self.hidden
        yield Group(
            name="experts",
            parameters=layers * experts.count * one,
            active=layers * experts.top * one,
        )
        if experts.shared:
            yield Group(name="shared experts", parameters=layers * experts.shared * one)
        router = experts.count * (self.hidden + self.expert_bias)
        if self.latent is not None:
            router += experts.count  # what balances the load (DeepSeek-V3, arXiv 2412.19437, 2.1.2)
        yield Group(name="routers", parameters=layers * router, quantised=False)

    def kept(self, tokens: int, *, block: int = 1, tp: int = 1) -> int:
        """Elements that all layers keep of one sequence of `tokens`, on each of `tp` GPUs.

        Layers with a window keep no more than it; room is given out in blocks of `block` tokens.
        """
        held = sum(
            layers * ceil(min(tokens, window or tokens) / block) * block
            for layers, window in self.windows
        )
        return held * self.kept_per_layer(tp)

    def kept_per_layer(self, tp: int = 1) -> int:
        """Elements that one layer keeps of one token, on each of `tp` GPUs.

        Heads are split, but never below one for each GPU; a latent vector cannot be split.
        """
        if self.latent is not None:
            return self.latent.cache + self.latent.rotary
        return 2 * max(1, -(-self.kv_heads // tp)) * self.head_dim


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Tensors that are treated alike. `active` of their parameters work on one token."""

    name: str
    parameters: int
    active: int = -1
    quantised: bool = True

    def __post_init__(self) -> None:
        """Where nothing else is said, all of them are active."""
        if self.active < 0:
            object.__setattr__(self, "active", self.parameters)


FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "llama": {},
    "mistral": {},
    "mixtral": {},
    "phi3": {},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True},
    "qwen3_moe": {"qk_norm": True},
    "gemma2": {"norms": 4, "tied": True},
    "gpt_oss": {"qkv_bias": True, "out_bias": True, "sinks": True, "expert_bias": True},
    "deepseek_v3": {},
}
"""Architectures whose tensors are known here, by `model_type`, with what config.json leaves to
the code of the model (Hugging Face transformers, models/*/modeling_*.py)."""


def read(config: Mapping[str, Any], *, source: str = "config.json") -> Shape:
    """The shape that a model's own config.json describes.

    Raises:
        InvalidInput: the architecture is not known here, or a field is missing or no number.
    """
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        message = f"{family!r} is not known here; there are {', '.join(sorted(FAMILIES))}"
        raise InvalidInput(source, [Problem(path="model_type", message=message)])
    names = ["num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"]
    names.append("max_position_embeddings")
    # a model of experts alone has no other block
    experts_alone = "intermediate_size" not in config and "moe_intermediate_size" in config
    names.append("moe_intermediate_size" if experts_alone else "intermediate_size")
    problems = [
        Problem(path=name, message=f"a whole number above 0, not {config.get(name)!r}")
        for name in names
        if not _is_count(config.get(name))
    ]
    if problems:
        raise InvalidInput(source, problems)
    layers, hidden, heads, vocab, context, inner = (int(config[name]) for name in names)
    told = Shape(
        family=family,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or hidden // heads),
        inner=inner,
        vocab=vocab,
        context=context,
        windows=tuple(_windows(config, family, layers)),
        experts=_experts(config),
        latent=_latent(config),
    )
    told = replace(told, **FAMILIES[family])
    tied = config.get("tie_word_embeddings")
    return told if tied is None else replace(told, tied=bool(tied))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _windows(config: Mapping[str, Any], family: str, layers: int) -> Iterator[tuple[int, int]]:
    """How far layers look back: alternating in Gemma 2 and gpt-oss, else all alike."""
    window = config.get("sliding_window")
    if window is None or config.get("use_sliding_window") is False:
        yield layers, FULL
    elif family in {"gemma2", "gpt_oss"}:
        yield layers - layers // 2, int(window)
        yield layers // 2, FULL
    else:
        yield layers, int(window)


def _experts(config: Mapping[str, Any]) -> Experts | None:
    count = config.get("num_experts") or config.get("num_local_experts")
    count = count or config.get("n_routed_experts")
    if not count:
        return None
    width = config.get("moe_intermediate_size") or config["intermediate_size"]
    return Experts(
        count=int(count),
        top=int(config["num_experts_per_tok"]),
        width=int(width),
        shared=int(config.get("n_shared_experts") or 0),
        dense_layers=int(config.get("first_k_dense_replace") or 0),
    )


def _latent(config: Mapping[str, Any]) -> Latent | None:
    if "kv_lora_rank" not in config:
        return None
    return Latent(
        query=int(config.get("q_lora_rank") or 0),
        cache=int(config["kv_lora_rank"]),
        rotary=int(config["qk_rope_head_dim"]),
        plain=int(config["qk_nope_head_dim"]),
        value=int(config["v_head_dim"]),
    )
