"""Whether a model fits a GPU: the question from words, the answer for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import catalog, shape
from engines.catalog import Gpu
from engines.fit import Ask, Fit, Verdict, show
from engines.fit.estimate import Estimate, estimate
from engines.fit.memory import FRACTION, fit, shape_of
from engines.fit.proposals import Proposal, proposals
from engines.precision import CACHE, WEIGHTS
from engines.shape import Shape
from landfall.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A fit, an estimate where it fits at all, and what would fit."""

    fit: Fit
    estimate: Estimate | None
    near: list[Proposal]

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The table."""
        return list(show.rows(self.fit))

    @property
    def sentences(self) -> Iterator[str]:
        """What is said below the table."""
        yield from show.sentences(self.fit)
        if self.estimate is not None:
            yield show.speed(self.estimate)
        if self.near:
            yield "Would fit, the cheapest change first:"
            yield from (f"  {'; '.join(each.changes)}" for each in self.near)
        elif self.fit.verdict is not Verdict.FITS:
            yield "No change of one or two things would fit; name other GPUs with --instead."

    @property
    def picture(self) -> str:
        """One GPU's memory, as SVG."""
        return show.picture(self.fit)

    @property
    def json(self) -> Mapping[str, Any]:
        """Everything, for programs."""
        return show.as_json(self.fit, self.estimate, self.near)


def ask(
    model: str,
    gpu: str,
    backend: str,
    *,
    batch: int,
    sequence: int,
    weights: str,
    cache: str,
    tp: int,
) -> Ask:
    """The question, from words.

    Raises:
        InvalidInput: a word is not known; all of them at once, with those that are.
    """
    problems = list(_unknown(gpu, backend, weights, cache))
    found: Shape | None = None
    try:
        found = _shape(model)
    except InvalidInput as error:
        problems += [Problem(path="model", message=each.message) for each in error.problems]
    if problems or found is None:
        raise InvalidInput("engine fit", problems)
    tool, _, mode = backend.partition("/")
    return Ask(
        model=Path(model).stem if "/" in model else model,
        shape=found,
        gpu=catalog.gpus()[gpu],
        batch=batch,
        sequence=sequence,
        backend=tool,
        mode=mode,
        weights=weights,
        cache=cache,
        tp=tp,
        fraction=FRACTION[tool],
    )


def answer(asked: Ask, instead: Sequence[str] = ()) -> Answer:
    """The answer. `instead` names GPUs that could be taken.

    Raises:
        InvalidInput: it cannot run at all; all reasons at once.
    """
    others = [_gpu(name) for name in instead]
    found = fit(asked)
    told = None
    if found.largest_batch:
        half = max(1, asked.sequence // 2)
        told = estimate(asked, prompt=half, answer=half, batch=found.largest_batch)
    near = [] if found.verdict is Verdict.FITS else proposals(asked, others)
    return Answer(fit=found, estimate=told, near=near)


def _shape(model: str) -> Shape:
    path = Path(model)
    if path.is_dir():
        path /= "config.json"
    if not path.is_file():
        return shape_of(model)
    try:
        config = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidInput(model, [Problem(path="", message=f"not JSON: {error}")]) from error
    return shape.read(config, source=str(path))


def _gpu(name: str) -> Gpu:
    known = catalog.gpus()
    if name not in known:
        message = f"no GPU {name}; there are {', '.join(known)}"
        raise InvalidInput("engine fit", [Problem(path="instead", message=message)])
    return known[name]


def _unknown(gpu: str, backend: str, weights: str, cache: str) -> Iterator[Problem]:
    known: Mapping[str, tuple[str, list[str]]] = {
        "gpu": (gpu, list(catalog.gpus())),
        "backend": (backend, ["/".join(each) for each in catalog.modes()]),
        "weights": (weights, list(WEIGHTS)),
        "cache": (cache, list(CACHE)),
    }
    for path, (word, words) in known.items():
        if word not in words:
            yield Problem(path=path, message=f"no {word!r}; there are {', '.join(words)}")
