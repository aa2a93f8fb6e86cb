"""Whether a model fits a GPU, item by item, and what binds.

    items = weights + activations + communication + reserve, of the GPU that carries most
    pool  = what a backend then leaves for the cache of keys and values, by its own rule
    fits  = the pool holds the asked batch at the asked length

Sources of every rule and constant stand beside it. Bytes throughout, of one GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engines.catalog import MIB, Gpu
from engines.shape import Shape

GIB = 2**30


class Verdict(StrEnum):
    """What a fit comes to."""

    FITS = "fits"
    WAITS = "fits, but not the whole batch at full length: requests wait"
    NOT = "does not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A model on GPUs of one kind, and what it shall take on.

    Attributes:
        weights: a recipe of `engines.precision.WEIGHTS`; `cache` one of CACHE.
        tp: GPUs that share every layer; `pp` groups of them that share out the layers.
        batch: sequences at a time.
        sequence: tokens of one, prompt and answer together.
        tokens: that one step reads, of all sequences together (max_num_tokens).
        fraction: of memory, as the backend means it.
        uncounted: what takes memory, too, and is not in the answer, in words.
    """

    model: str
    shape: Shape
    gpu: Gpu
    batch: int
    sequence: int
    backend: str = "tensorrt_llm"
    mode: str = "pytorch"
    weights: str = "bf16"
    cache: str = "bf16"
    tp: int = 1
    pp: int = 1
    tokens: int = 8192
    fraction: float = 0.9
    uncounted: tuple[str, ...] = ()

    @property
    def gpus(self) -> int:
        """How many it takes."""
        return self.tp * self.pp


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that takes memory of a GPU. `why` is how its size is known."""

    name: str
    size: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The answer, itemised.

    Attributes:
        items: what takes memory before the cache.
        pool: left for the cache; below zero where the items alone are too large.
        block_tokens: the cache is given out in blocks of so many tokens.
        per_sequence: what one sequence of the asked length takes.
        per_token: what one more token of a long sequence takes.
        largest_batch: of sequences of the asked length; 0 where not one fits.
        largest_sequence: for the asked batch, up to the model's context; 0 where none fits.
        binds: what keeps it from being larger.
        open: what was not established, in words.
    """

    ask: Ask
    items: tuple[Item, ...]
    pool: int
    block_tokens: int
    per_sequence: int
    per_token: int
    largest_batch: int
    largest_sequence: int
    verdict: Verdict
    binds: str
    open: tuple[str, ...]

    @property
    def used(self) -> int:
        """By everything but the cache."""
        return sum(item.size for item in self.items)

    @property
    def blocks(self) -> int:
        """Of the cache, where every layer looks back over the whole sequence."""
        size = self.per_token * self.block_tokens
        return max(0, self.pool) // size if size else 0


def gib(size: float) -> str:
    """A size for people."""
    return f"{size / GIB:.2f} GiB"


__all__ = ["GIB", "MIB", "Ask", "Fit", "Item", "Verdict", "gib"]
