"""A graph that embeds: tokens of texts in, one vector for each text out.

A graph that gives one vector per text is taken at its word. One that gives a vector per token is
pooled: the mean over the tokens of a text, without what was filled up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines import tokenizer
from engines.graph import Graph, Tensor
from engines.source import CONFIG, TOKENIZER
from engines.tokenizer import Tokenizer
from landfall.errors import IntegrityError

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
"""What exporters of Hugging Face models call the inputs."""
PER_TEXT, PER_TOKEN = 2, 3
"""Axes of an output that is one vector per text, and of one that is one per token."""

Vectors = npt.NDArray[np.float64]


class Encoder:
    """A graph that embeds.

    Args:
        graph: the loaded graph.
        batch: how many texts it gets at a time; one where it takes no mask, since what is filled
            up would then count as text.

    Raises:
        IntegrityError: the graph does not embed.
    """

    def __init__(self, graph: Graph, *, batch: int) -> None:
        self._graph = graph
        self._names = {each.name for each in graph.inputs}
        if IDS not in self._names or not self._names <= {IDS, MASK, TYPES}:
            raise IntegrityError(
                f"an embedding takes {IDS}, and may take {MASK} and {TYPES}; this graph takes"
                f" {', '.join(sorted(self._names))}"
            )
        self._output = _vectors(graph.outputs)
        self._batch = batch if MASK in self._names else 1

    def vectors(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """One vector for each text [texts, dimensions], of the length that the graph gives.

        Raises:
            ValueError: the graph does not take these tokens; says why.
        """
        return np.concatenate(
            [
                self._run(texts[first : first + self._batch])
                for first in range(0, len(texts), self._batch)
            ]
        )

    def _run(self, texts: Sequence[Sequence[int]]) -> Vectors:
        longest = max(map(len, texts))
        mask = np.array([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts], np.int64)
        filled = np.array([[*ids, *[0] * (longest - len(ids))] for ids in texts], np.int64)
        arrays = {IDS: filled, MASK: mask, TYPES: np.zeros_like(filled)}
        inputs = {name: array for name, array in arrays.items() if name in self._names}
        [output] = self._graph.run(inputs, [self._output.name])
        found: Vectors = output.astype(np.float64)
        if output.ndim == PER_TEXT:
            return found
        shares = mask[:, :, None] / mask.sum(-1)[:, None, None]
        # Not a product alone: what was filled up may be anything, and 0 times that is not 0.
        pooled: Vectors = (np.where(shares > 0, found, 0.0) * shares).sum(1)
        return pooled


def unit(vectors: Vectors) -> Vectors:
    """The vectors, each brought to length 1; one of nothing but zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    found: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return found


def words(folder: Path) -> tuple[Tokenizer | None, int]:
    """How the encoder in `folder` reads text, and how many tokens it knows.

    None where its tokenizer is one of Hugging Face's: it then takes tokens, and no text.

    Raises:
        IntegrityError: the files say neither.
    """
    path = folder / TOKENIZER
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(told, dict) and isinstance(told.get("model"), dict)):
            own = tokenizer.load(folder)
            return own, own.vocabulary
        return None, int(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["vocab_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path}: not a tokenizer that we can read: {error!r}") from error


def _vectors(outputs: Sequence[Tensor]) -> Tensor:
    """The output to take: one vector per text where there is one, else one per token."""
    for axes in (PER_TEXT, PER_TOKEN):
        for each in outputs:
            if len(each.shape) == axes and each.dtype.startswith("float"):
                return each
    raise IntegrityError("the graph has no output of one vector per text, or per token")
