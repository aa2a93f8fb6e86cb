"""Backends: the tools that make and run engines. One module each; a new one is a new file.

A backend is a module with the names of `Backend`. Everything that Landfall knows about the tool
(versions, precisions, options, tensor names) stands in that one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from landfall.errors import InvalidInput, Problem

Logits = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a build does: an action and its settings, all plain values."""

    action: str
    settings: Mapping[str, str | int | float | bool]


class Runtime(Protocol):
    """A loaded engine with a cache of `slots` rows, each with room for `room` tokens.

    Not safe for several threads: one thread owns it.
    """

    slots: int
    room: int
    vocabulary: int

    def prefill(self, slot: int, ids: Ids, start: int) -> Logits:
        """Read `ids` into row `slot` from position `start` on; logits [len(ids), vocabulary].

        Raises:
            ValueError: an id is outside the vocabulary, or the row has no room left.
        """
        ...

    def decode(self, ids: Ids, lengths: npt.NDArray[np.int32]) -> Logits:
        """One token for each of the first `len(ids)` rows; logits [rows, vocabulary].

        `lengths` is how many tokens each row holds already. The result is valid until the next
        call. Raises as `prefill` does.
        """
        ...

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of row `source` to row `target`."""
        ...


class Backend(Protocol):
    """What a module of this package offers."""

    NAME: str
    PACKAGE: str
    """The Python package whose version counts."""
    PRECISIONS: tuple[str, ...]

    def problems(self, *, precision: str, target: str) -> list[Problem]:
        """What this tool cannot do, with what would be right."""
        ...

    def version_problem(self, version: str | None) -> str:
        """Why this version of the tool is not good enough, or nothing."""
        ...

    def quantiser(self, precision: str, version: str) -> str:
        """The name and version of what makes numbers smaller; part of the key."""
        ...

    def steps(self, precision: str) -> tuple[Step, ...]:
        """What a build with this precision does, in order."""
        ...

    def expected_bytes(self, precision: str, float_bytes: int) -> int:
        """About how large the engine will be, from the size of the float32 graph."""
        ...

    def carry_out(self, step: Step, source: Path, target: Path) -> None:
        """Do one step: read from the model folder `source`, write to the engine `target`."""
        ...

    def open(self, folder: Path, *, slots: int, room: int, threads: int) -> Runtime:
        """Load the engine (or the float model) in `folder`.

        Raises:
            IntegrityError: the files are not an engine of this tool.
        """
        ...


def names() -> tuple[str, ...]:
    """Every backend there is."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(__path__)))


def find(name: str) -> Backend:
    """The backend `name`. Loading it does not load the tool.

    Raises:
        InvalidInput: there is none of this name.
    """
    if name not in names():
        message = f"there is no backend {name!r}; there are: {', '.join(names())}"
        raise InvalidInput("backend", [Problem(path="backend", message=message)])
    return cast(Backend, importlib.import_module(f"{__name__}.{name}"))
