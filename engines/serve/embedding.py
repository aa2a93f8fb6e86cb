"""OpenAI's embeddings: texts or tokens in, vectors of length 1 out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from engines.encoder import Encoder, unit
from engines.serve.requests import BadRequest
from engines.tokenizer import Tokenizer

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
    """What a served encoder makes of requests.

    Args:
        encoder: the graph.
        tokenizer: of the model; None for one that takes tokens only.
        vocabulary: how many tokens it knows.
        room: the longest text in tokens.
    """

    def __init__(
        self, encoder: Encoder, tokenizer: Tokenizer | None, *, vocabulary: int, room: int
    ) -> None:
        self._encoder, self._tokenizer = encoder, tokenizer
        self._room, self.vocabulary = room, vocabulary

    def read(self, body: EmbeddingBody) -> list[list[int]]:
        """The tokens of each text.

        Raises:
            BadRequest: a text is empty or too long, or a token is not in the vocabulary.
        """
        texts = _texts(body.input)
        if len(texts) > MAX_TEXTS:
            raise BadRequest(f"at most {MAX_TEXTS} texts, not {len(texts)}", param="input")
        found = [self._ids(each) for each in texts]
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

    def _ids(self, text: str | list[int]) -> list[int]:
        if not isinstance(text, str):
            return list(text)
        if self._tokenizer is None:
            message = "this model's tokenizer is not read here: send lists of token ids"
            raise BadRequest(message, param="input")
        return self._tokenizer.encode(text)

    def embed(self, texts: Sequence[Sequence[int]], dimensions: int | None) -> Vectors:
        """One vector of length 1 for each text [texts, dimensions].

        Raises:
            BadRequest: there are fewer dimensions than wanted, or the numbers are not finite.
        """
        vectors = self._encoder.vectors(texts)
        if dimensions is not None and dimensions > vectors.shape[1]:
            message = f"the model's vectors have {vectors.shape[1]} dimensions, not {dimensions}"
            raise BadRequest(message, param="dimensions")
        # Cut first: the part that is left has length 1 too.
        vectors = vectors[:, :dimensions]
        if not np.isfinite(vectors).all():
            raise BadRequest("the model's numbers are not finite", status=500, kind="server_error")
        return unit(vectors).astype("f4")


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
