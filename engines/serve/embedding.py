"""OpenAI's embeddings: texts or tokens in, vectors of length 1 out.

A graph that gives one vector per text is taken at its word. One that gives a vector per token is
pooled: the mean over the tokens of a text, without what was filled up.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from engines.graph import Graph, Tensor
from engines.serve.requests import BadRequest
from engines.tokenizer import Tokenizer
from landfall.errors import IntegrityError

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
"""What exporters of Hugging Face models call the inputs."""
PER_TEXT, PER_TOKEN = 2, 3
"""Axes of an output that is one vector per text, and of one that is one per token."""
MAX_TEXTS = 256
"""Texts of one request: enough for a batch, few enough that others wait for seconds only."""

Vectors = npt.NDArray[np.float32]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingBody(BaseModel):
    """POST /v1/embeddings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: str
    input: str | Tokens | Annotated[list[str] | list[Tokens], Field(min_length=1)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: Any = None


class Embedder:
    """A graph that embeds.

    Args:
        graph: the loaded graph.
        tokenizer: of the model.
        room: the longest text in tokens.
        batch: how many texts the graph gets at a time.

    Raises:
        IntegrityError: the graph does not embed.
    """

    def __init__(self, graph: Graph, tokenizer: Tokenizer, *, room: int, batch: int) -> None:
        self._graph, self._tokenizer = graph, tokenizer
        self._room, self._batch = room, batch
        self._names = {each.name for each in graph.inputs}
        if IDS not in self._names or not self._names <= {IDS, MASK, TYPES}:
            raise IntegrityError(
                f"an embedding takes {IDS}, and may take {MASK} and {TYPES}; this graph takes"
                f" {', '.join(sorted(self._names))}"
            )
        self._output = _vectors(graph.outputs)
        self.vocabulary = tokenizer.vocabulary

    def read(self, body: EmbeddingBody) -> list[list[int]]:
        """The tokens of each text.

        Raises:
            BadRequest: a text is empty or too long, or a token is not in the vocabulary.
        """
        texts = _texts(body.input)
        if len(texts) > MAX_TEXTS:
            raise BadRequest(f"at most {MAX_TEXTS} texts, not {len(texts)}", param="input")
        found = [
            self._tokenizer.encode(each) if isinstance(each, str) else list(each) for each in texts
        ]
        for number, ids in enumerate(found):
            where = f"input.{number}"
            if not ids:
                raise BadRequest(f"{where}: the text is empty", param=where)
            if len(ids) > self._room:
                message = f"{where}: has {len(ids)} tokens; the engine holds {self._room}"
                raise BadRequest(message, param=where, code="context_length_exceeded")
            if min(ids) < 0 or max(ids) >= self.vocabulary:
                message = f"{where}: token ids must be from 0 to {self.vocabulary - 1}"
                raise BadRequest(message, param=where)
        return found

    def embed(self, texts: Sequence[Sequence[int]], dimensions: int | None) -> Vectors:
        """One vector of length 1 for each text [texts, dimensions].

        Raises:
            BadRequest: there are fewer dimensions than wanted, or the numbers are not finite.
        """
        parts = [
            self._run(texts[first : first + self._batch])
            for first in range(0, len(texts), self._batch)
        ]
        vectors = np.concatenate(parts)
        if dimensions is not None and dimensions > vectors.shape[1]:
            message = f"the model's vectors have {vectors.shape[1]} dimensions, not {dimensions}"
            raise BadRequest(message, param="dimensions")
        # Cut first: the part that is left has length 1 too.
        vectors = vectors[:, :dimensions]
        if not np.isfinite(vectors).all():
            raise BadRequest("the model's numbers are not finite", status=500, kind="server_error")
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        found: Vectors = (vectors / np.maximum(lengths, np.finfo(np.float32).tiny)).astype("f4")
        return found

    def _run(self, texts: Sequence[Sequence[int]]) -> npt.NDArray[np.float64]:
        longest = max(map(len, texts))
        mask = np.array([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts], np.int64)
        filled = np.array([[*ids, *[0] * (longest - len(ids))] for ids in texts], np.int64)
        arrays = {IDS: filled, MASK: mask, TYPES: np.zeros_like(filled)}
        inputs = {name: array for name, array in arrays.items() if name in self._names}
        [output] = self._graph.run(inputs, [self._output.name])
        found: npt.NDArray[np.float64] = output.astype(np.float64)
        if output.ndim == PER_TEXT:
            return found
        shares = mask[:, :, None] / mask.sum(-1)[:, None, None]
        # Not a product alone: what was filled up may be anything, and 0 times that is not 0.
        pooled: npt.NDArray[np.float64] = (np.where(shares > 0, found, 0.0) * shares).sum(1)
        return pooled


def shaped(vectors: Vectors, tokens: int, body: EmbeddingBody) -> dict[str, object]:
    """The answer, in OpenAI's form."""
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


def _written(vector: Vectors, form: str) -> object:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def _texts(given: str | list[int] | list[str] | list[list[int]]) -> list[Any]:
    if isinstance(given, str) or isinstance(given[0], int):
        return [given]
    return list(given)


def _vectors(outputs: Sequence[Tensor]) -> Tensor:
    """The output to take: one vector per text where there is one, else one per token."""
    for axes in (PER_TEXT, PER_TOKEN):
        for each in outputs:
            if len(each.shape) == axes and each.dtype.startswith("float"):
                return each
    raise IntegrityError("the graph has no output of one vector per text, or per token")
