"""A model without a cache: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

Array = npt.NDArray[Any]


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
