"""How alike two engines answer the same request, where answers are numbers: vectors or arrays.

No answer is expected: the proven engine's is the measure. That says something only where both were
made of the same version of a model; a retrained one may well put its vectors elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from engines.load import whole
from engines.load.ask import Answer, Target
from landfall.model.trial import Probe

TURNED_AWAY = frozenset({"429", "503"})
"""An engine that is full or starting says nothing of its quality."""

Posts = Callable[[Target, str, str], Answer]


def scores(
    kind: str, proven: Target, canary: Target, probes: Sequence[Probe], posts: Posts
) -> list[float]:
    """How alike each answer of the canary was, from 0 to 1; of what the proven engine answers.

    A probe's prompt is a text to embed, or the whole body for a graph.
    """
    found = []
    for each in probes:
        path, body = _request(kind, proven.model, each.prompt)
        wanted, given = (posts(target, path, body) for target in (proven, canary))
        if not wanted.error and given.error not in TURNED_AWAY:
            found.append(0.0 if given.error else alike(kind, wanted.text, given.text))
    return found


def alike(kind: str, wanted: str, given: str) -> float:
    """The cosine of two vectors, or what the worst output of a graph has in common; 0 to 1."""
    try:
        if kind == "embedding":
            return max(_cosine(_vector(wanted), _vector(given)), 0.0)
        before, after = _outputs(wanted), _outputs(given)
        return min((_near(before[name], after[name]) for name in before), default=0.0)
    except (ValueError, KeyError, TypeError, IndexError):
        return 0.0


def _request(kind: str, model: str, prompt: str) -> tuple[str, str]:
    if kind == "embedding":
        return whole.EMBEDDINGS, whole.embedding(model, prompt)
    return whole.infer(model), prompt


Numbers = npt.NDArray[np.float64]


def _vector(answer: str) -> Numbers:
    return np.array(json.loads(answer)["data"][0]["embedding"], np.float64)


def _cosine(wanted: Numbers, given: Numbers) -> float:
    lengths = float(np.linalg.norm(wanted) * np.linalg.norm(given))
    value = float(wanted @ given) / lengths if lengths else 0.0
    return value if math.isfinite(value) else 0.0


def _outputs(answer: str) -> dict[str, tuple[str, list[object]]]:
    told = json.loads(answer)["outputs"]
    return {each["name"]: (each["datatype"], each["data"]) for each in told}


def _near(wanted: tuple[str, list[object]], given: tuple[str, list[object]]) -> float:
    """Of measures: 1 less the difference, as a share of the largest; of others: how many agree."""
    if wanted[0] != given[0] or len(wanted[1]) != len(given[1]) or not wanted[1]:
        return 0.0
    if not wanted[0].startswith("FP"):
        same = [one == other for one, other in zip(wanted[1], given[1], strict=True)]
        return sum(same) / len(same)
    before, after = np.array(wanted[1], np.float64), np.array(given[1], np.float64)
    largest = float(np.abs(before).max())
    off = float(np.abs(after - before).max()) / largest if largest else float(after.any())
    return max(1 - off, 0.0) if math.isfinite(off) else 0.0
