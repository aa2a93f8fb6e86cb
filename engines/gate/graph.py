"""Quality of a graph: each output beside that of the float32 model, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from engines.bounds import GraphGate
from engines.gate.arrays import Case
from engines.graph import Array, Graph, blank
from engines.manifest import Outcome
from engines.quality import OutputDifference
from engines.source import EVALUATION_ARRAYS
from landfall.errors import GateFailed, InvalidInput, Problem

HINT = "Choose a wider precision, or change gates.graph if the difference is fine."

Outputs = list[list[Array]]
"""Of each case, every output."""


def run(graph: Graph, cases: Sequence[Case], *, travelled: bool) -> Outputs:
    """Every output of every case.

    Raises:
        InvalidInput: the graph does not take a case.
    """
    names = [each.name for each in graph.outputs]
    try:
        return [graph.run(case, names) for case in cases]
    except ValueError as error:
        message = f"the graph does not take these inputs: {error}"
        if not travelled:
            message = f"is missing, and the graph does not take random inputs: {error}"
        raise InvalidInput(EVALUATION_ARRAYS, [Problem(path="", message=message)]) from error


def compare(
    names: Sequence[str], *, reference: Outputs, engine: Outputs
) -> tuple[OutputDifference, ...]:
    """How far each output is from that of the float32 model, over all cases.

    Raises:
        GateFailed: an output has another shape, or is finite in one of them alone.
        InvalidInput: an output of the float32 model has no finite number to compare.
    """
    found = []
    for at, name in enumerate(names):
        pairs = [(before[at], after[at]) for before, after in zip(reference, engine, strict=True)]
        if any(before.shape != after.shape for before, after in pairs):
            raise GateFailed(f"quality: {name} has another shape than in the float32 model")
        before, after = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
        found.append(_difference(name, before, after))
    return tuple(found)


def judge(gate: GraphGate, found: Sequence[OutputDifference]) -> None:
    """Compare with the bounds.

    Raises:
        GateFailed: with every output that misses one.
    """
    missed = [each for output in found for each in _missed(gate, output)]
    if missed:
        raise GateFailed(f"quality against the float32 model: {'; '.join(missed)}", hint=HINT)


def determinism(graph: Graph, cases: Sequence[Case], once: Outputs) -> Outcome:
    """The same inputs again, to the bit; and the zeros that a server asks first.

    Raises:
        GateFailed: an output differs from itself, or the zeros are not taken.
    """
    names = [each.name for each in graph.outputs]
    for number, (case, before) in enumerate(zip(cases, once, strict=True)):
        for name, old, new in zip(names, before, graph.run(case, names), strict=True):
            if old.shape != new.shape or not _same(old, new).all():
                raise GateFailed(
                    f"determinism: case {number} was run twice, and {name} differs",
                    hint="Nothing that is measured on such an engine holds for the next request.",
                )
    try:
        graph.run({each.name: blank(each) for each in graph.inputs}, names)
    except ValueError as error:
        raise GateFailed(
            f"determinism: the graph does not take zeros, so no server gets ready: {error}"
        ) from error
    figures = {"cases": float(len(cases)), "outputs": float(len(names))}
    return Outcome(name="determinism", outcome="passed", figures=figures)


def _difference(name: str, before: Array, after: Array) -> OutputDifference:
    same = _same(before, after)
    equal = round(float(same.mean()), 6) if same.size else 1.0
    if before.dtype.kind != "f":
        return OutputDifference(name=name, equal=equal)
    finite = np.isfinite(before)
    if not (same | (finite & np.isfinite(after))).all():
        raise GateFailed(f"quality: {name} is finite in only one of engine and float32 model")
    if not finite.any():
        message = f"{name}: the float32 model gives no finite number, so nothing is measured"
        raise InvalidInput("quality", [Problem(path="", message=message)])
    wanted, found = before[finite].astype(np.float64), after[finite].astype(np.float64)
    absolute, largest = float(np.abs(found - wanted).max()), float(np.abs(wanted).max())
    relative = absolute / largest if largest else float(absolute > 0)
    return OutputDifference(name=name, absolute=absolute, relative=relative, equal=equal)


def _same(before: Array, after: Array) -> Array:
    # What is not a number differs from itself, and is the same here.
    found: Array = (before == after) | ((before != before) & (after != after))  # noqa: PLR0124
    return found


def _missed(gate: GraphGate, found: OutputDifference) -> Iterator[str]:
    if found.absolute is None or found.relative is None:
        if not found.equal >= gate.min_equal:
            yield f"{found.name}: {found.equal:.1%} equal, bound {gate.min_equal:.1%}"
        return
    if not found.relative <= gate.max_relative:
        yield f"{found.name}: off by {found.relative:.2%}, bound {gate.max_relative:.2%}"
    if gate.max_absolute is not None and not found.absolute <= gate.max_absolute:
        yield f"{found.name}: off by {found.absolute:.6g}, bound {gate.max_absolute:g}"
