"""Backends: the tools that make and run engines. One module each; a new one is a new file.

A backend is a module with the names of `Backend`. Everything that Landfall knows about the tool
(versions, precisions, options, tensor names) stands in that one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import numpy.typing as npt

from engines.graph import Graph
from landfall.errors import InvalidInput, Problem

if TYPE_CHECKING:  # specs are checked with backends, so at run time they come after them
    from engines.fit import Ask
    from engines.needs import Need
    from engines.source import ModelSource
    from engines.spec import EngineSpec
    from engines.target import Target

Logits = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that a build does: an action and its settings, all plain values.

    Where a tool does it in a container, `argv` is its command, in a process of its own.
    """

    action: str
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Words of a spec that a backend knows or does not; None where they are not asked about."""

    mode: str | None = None
    version: str | None = None
    kind: str | None = None
    precision: str | None = None
    kv_cache: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One engine to plan: a spec, its model, one of its targets, the exact version of the tool."""

    spec: EngineSpec
    source: ModelSource
    target: Target
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a backend would do.

    Attributes:
        steps: of the build, in order.
        serve: what answers requests then; None where Landfall's own server does.
        files: that the steps read, by their path in the container.
        reference: what serves the unquantised model, to compare with; None where nothing can.
        reference_files: that it reads, by their path in the container.
        notes: what a reader must know.
        expected_bytes: about how large the engine will be.
        ask: the question of memory; None where there is none.
        needs: what the build itself takes.
    """

    steps: tuple[Step, ...]
    expected_bytes: int
    serve: Step | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    reference: Step | None = None
    reference_files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ask: Ask | None = None
    needs: tuple[Need, ...] = ()


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
    CONTAINED: bool
    """Whether it runs in a container of a pinned version, not in our own process."""
    MODES: tuple[str, ...]
    """Its ways to work; the first is the default."""
    CACHES: tuple[str, ...]
    """Precisions of what is kept of each token; the first is the default."""

    def problems(self, words: Words) -> list[Problem]:
        """Words that this tool does not know, with those that it does."""
        ...

    def version_problem(self, version: str | None) -> str:
        """Why this version of the tool is not good enough, or nothing."""
        ...

    def refusals(self, question: Question) -> Iterator[Problem]:
        """Why it cannot be, whatever the memory: by the paths of the spec."""
        ...

    def answer(self, question: Question) -> Answer:
        """What would be done, where `refusals` has found nothing."""
        ...

    def quantiser(self, precision: str, version: str) -> str:
        """The name and version of what makes numbers smaller; part of the key."""
        ...

    def steps(self, precision: str, *, kind: str, files: Collection[str]) -> tuple[Step, ...]:
        """What a build of this kind from a model of these files does in our own process, in order.

        Raises:
            Refused: the tool runs in a container.
        """
        ...

    def carry_out(self, step: Step, source: Path, target: Path) -> None:
        """Do one step: read from the model folder `source`, write to the engine `target`.

        Raises:
            Refused: the tool runs in a container.
        """
        ...

    def open(self, folder: Path, *, slots: int, room: int, threads: int) -> Runtime:
        """Load the engine (or the float model) in `folder`.

        Raises:
            IntegrityError: the files are not an engine of this tool.
            Refused: the tool runs in a container.
        """
        ...

    def open_graph(self, folder: Path, *, threads: int) -> Graph:
        """Load the engine (or the float model) in `folder` that has no cache.

        Raises:
            IntegrityError: the files are not an engine of this tool.
            Refused: the tool runs in a container.
        """
        ...


def listed(field_name: str, word: str, known: Iterable[str], tool: str) -> list[Problem]:
    """The problem of a word that is not among those that a tool knows; none where it is."""
    words = list(known)
    if word in words:
        return []
    message = f"{tool} cannot do {word}; it can do {', '.join(words)}"
    return [Problem(path=field_name, message=message)]


@cache
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
