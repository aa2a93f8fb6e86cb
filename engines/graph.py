"""A model without a cache: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

DATATYPES = {
    "bool": "BOOL",
    "object": "BYTES",
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
}
"""The Open Inference Protocol's names for NumPy's types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output. `dtype` is NumPy's name, `object` for text; a free length is None."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Graph(Protocol):
    """A loaded graph. One thread runs it at a time."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        """The named outputs.

        Raises:
            ValueError: the graph does not take these arrays; says why.
        """
        ...


def blank(tensor: Tensor) -> Array:
    """What a server asks first: a free length is 1, a number 0, text empty."""
    shape = [1 if size is None else size for size in tensor.shape]
    return np.full(shape, "") if tensor.dtype == "object" else np.zeros(shape, tensor.dtype)


def encoded(name: str, array: Array) -> dict[str, object]:
    """An array as the Open Inference Protocol writes it."""
    kind = "object" if array.dtype.kind in "OU" else str(array.dtype)
    head = {"name": name, "datatype": DATATYPES[kind], "shape": list(array.shape)}
    return {**head, "data": array.ravel().tolist()}
