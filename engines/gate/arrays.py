"""Inputs that a graph is measured on: those that travel with its model, else drawn ones.

`evaluation.npz` beside `model.onnx` holds them: each array is named `CASE/INPUT`, as
`numpy.savez(path, **{"0/x": first, "1/x": second})` writes it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engines.graph import Array, Tensor
from engines.source import EVALUATION_ARRAYS
from landfall.errors import InvalidInput, Problem

Case = dict[str, Array]

DRAWN = 16
"""Cases where none travel with the model: few take seconds, and each has numbers of its own."""
LENGTH = 3
"""Of what is free in a drawn input; not 1, which would fit where it must not."""
SEED = 1
"""The same inputs for every build."""
MOST = 1024
"""Cases that are read."""


def cases(folder: Path, inputs: Sequence[Tensor]) -> tuple[list[Case], bool]:
    """The inputs for the model in `folder`, and whether they travelled with it.

    Raises:
        InvalidInput: what travels with it does not fit the graph; all problems at once.
    """
    path = folder / EVALUATION_ARRAYS
    if path.exists():
        return list(_read(path, inputs)), True
    return list(drawn(inputs)), False


def drawn(inputs: Sequence[Tensor]) -> Iterator[Case]:
    """Normal numbers, truth by chance; whole numbers 0 or 1, which nearly every table has."""
    chance = np.random.default_rng(SEED)
    for _ in range(DRAWN):
        yield {each.name: _draw(each, chance) for each in inputs}


def _draw(tensor: Tensor, chance: np.random.Generator) -> Array:
    shape = [LENGTH if size is None else size for size in tensor.shape]
    if tensor.dtype == "object":
        return np.full(shape, "")
    if tensor.dtype.startswith("float"):
        return chance.standard_normal(shape).astype(tensor.dtype)
    return chance.integers(0, 2, shape).astype(tensor.dtype)


def _read(path: Path, inputs: Sequence[Tensor]) -> Iterator[Case]:
    found: dict[str, Case] = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                case, _, given = name.partition("/")
                found.setdefault(case, {})[given] = arrays[name]
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InvalidInput(str(path), [Problem(path="", message=f"no arrays: {error}")]) from error
    problems = [problem for case in found for problem in _problems(case, found[case], inputs)]
    if not 0 < len(found) <= MOST:
        message = f"must hold 1 to {MOST} cases, each array named CASE/INPUT; holds {len(found)}"
        problems.append(Problem(path="", message=message))
    if problems:
        raise InvalidInput(str(path), problems)
    # NumPy's words are fixed in length, which the graph's are not.
    text = {each.name: object for each in inputs if each.dtype == "object"}
    for given in found.values():
        yield {name: array.astype(text.get(name, array.dtype)) for name, array in given.items()}


def _problems(case: str, given: Case, inputs: Sequence[Tensor]) -> Iterator[Problem]:
    known = {each.name: each for each in inputs}
    for name in sorted(known.keys() ^ given.keys()):
        message = "is missing" if name in known else f"is no input; there are {', '.join(known)}"
        yield Problem(path=f"{case}/{name}", message=message)
    for name in sorted(known.keys() & given.keys()):
        tensor, array = known[name], given[name]
        kind = "object" if array.dtype.kind == "U" else str(array.dtype)
        fits = array.ndim == len(tensor.shape) and all(
            size in {None, length} for size, length in zip(tensor.shape, array.shape, strict=True)
        )
        if kind != tensor.dtype or not fits:
            wanted = [-1 if size is None else size for size in tensor.shape]
            yield Problem(
                path=f"{case}/{name}",
                message=f"must be {tensor.dtype} {wanted}, not {kind} {list(array.shape)}",
            )
