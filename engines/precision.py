"""How many bits a number takes: weights by recipe, and the cache of keys and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A recipe for weights.

    Attributes:
        bits: of one quantised weight.
        scale: bits of scales for each weight, over the group that shares them.
        experts_only: whether everything but the experts stays at 16 bit.
        arithmetic: what the GPU multiplies in: the field of a GPU that says how fast.
    """

    bits: int
    scale: Fraction = Fraction(0)
    experts_only: bool = False
    arithmetic: str = "bf16"

    def of(self, parameters: int) -> int:
        """Bytes of so many quantised weights with their scales, rounded up."""
        # whole numbers only: fractions are exact, too, and ten times as slow
        parts = self.scale.denominator
        return -(-parameters * (self.bits * parts + self.scale.numerator) // (8 * parts))


WEIGHTS: Mapping[str, Weights] = {
    "bf16": Weights(bits=16),
    # one scale of 16 bit for each output channel or tensor: less than a thousandth
    "int8": Weights(bits=8),
    "int8_sq": Weights(bits=8, arithmetic="int8"),
    "fp8": Weights(bits=8, arithmetic="fp8"),
    # a 32-bit scale for each block of 128 by 128
    "fp8_block": Weights(bits=8, scale=Fraction(32, 128 * 128), arithmetic="fp8"),
    "int4": Weights(bits=4),
    # a 16-bit scale for each group of 128 (quantize.py: --awq_block_size 128)
    "int4_awq": Weights(bits=4, scale=Fraction(16, 128)),
    # and a 4-bit zero point
    "int4_gptq": Weights(bits=4, scale=Fraction(16 + 4, 128)),
    "w4a8_awq": Weights(bits=4, scale=Fraction(16, 128), arithmetic="fp8"),
    # an FP8 scale for each group of 16 (hf_quant_config.json of NVIDIA's NVFP4 checkpoints)
    "nvfp4": Weights(bits=4, scale=Fraction(8, 16), arithmetic="fp4"),
    # an 8-bit exponent for each group of 32 (OCP Microscaling Formats 1.0, 5.1)
    "mxfp4": Weights(bits=4, scale=Fraction(8, 32), experts_only=True, arithmetic="fp4"),
}
"""Recipes by their name in a spec. Embedding, output layer, norms and routers stay at 16 bit in
all of them, as in NVIDIA's checkpoints (hf_quant_config.json: exclude_modules)."""

CACHE: Mapping[str, Fraction] = {
    "bf16": Fraction(2),
    "fp8": Fraction(1),
    "int8": Fraction(1),
    "nvfp4": Fraction(1, 2) + Fraction(1, 16),
}
"""Bytes of one element of the cache."""

SIXTEEN_BIT = 2
"""Bytes of a number that no recipe touches."""
