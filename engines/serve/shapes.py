"""The shapes of OpenAI's answers: whole, and as server-sent events."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engines.serve import logprobs
from engines.serve.answer import Answer, Piece, Scored
from engines.tokenizer import Tokenizer

Choice = dict[str, object]
Tell = Callable[[Sequence[Scored], Tokenizer], dict[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One of the two kinds of answer.

    Attributes:
        operation: the name in metrics, as OpenTelemetry has it.
        prefix: of the answer's id.
        whole_object: the word for the whole answer, and `chunk` for a part of it.
        opens: whether a stream begins with an event that names the role.
        message: the text of a whole answer, as part of its choice.
        delta: a piece of text, as part of its choice.
        chances: the log probabilities of tokens, as part of a choice.
    """

    operation: str
    prefix: str
    whole_object: str
    chunk: str
    opens: bool
    message: Callable[[str], Choice]
    delta: Callable[[str], Choice]
    chances: Tell

    def whole(
        self, id: str, model: str, pieces: Sequence[Piece], answer: Answer, tokenizer: Tokenizer
    ) -> dict[str, object]:
        """The whole answer."""
        assert answer.finish is not None  # it is whole
        text = "".join(piece.text for piece in pieces)
        scored = [each for piece in pieces for each in piece.scored]
        choice = {
            "index": 0,
            **self.message(text),
            "logprobs": self.chances(scored, tokenizer) if answer.tells_chances else None,
            "finish_reason": answer.finish.value,
        }
        return {
            "id": id,
            "object": self.whole_object,
            "created": int(time.time()),
            "model": model,
            "choices": [choice],
            "usage": answer.usage(),
        }

    def writer(self, id: str, model: str, tokenizer: Tokenizer, *, with_usage: bool) -> EventWriter:
        """What writes the events of one stream."""
        return EventWriter(self, id, model, tokenizer, with_usage=with_usage)


class EventWriter:
    """The events of one stream, as bytes. What they have in common is encoded once."""

    def __init__(
        self, shape: Shape, id: str, model: str, tokenizer: Tokenizer, *, with_usage: bool
    ) -> None:
        self._shape = shape
        self._tokenizer = tokenizer
        common = {"id": id, "object": shape.chunk, "created": int(time.time()), "model": model}
        # With usage wanted, every event but the last has it as null.
        self._end = ', "usage": null}\n\n' if with_usage else "}\n\n"
        self._start = f"data: {json.dumps(common)[:-1]}, "

    def opening(self) -> bytes:
        """The event that names the role, where there is one."""
        return self._event({"role": "assistant", "content": ""}) if self._shape.opens else b""

    def piece(self, piece: Piece) -> bytes:
        """A piece of text, with the chances of its tokens where there are any."""
        fields = {**self._shape.delta(piece.text), "finish_reason": None}
        if piece.scored:
            fields["logprobs"] = self._shape.chances(piece.scored, self._tokenizer)
        return self._choice(fields)

    def finish(self, reason: str) -> bytes:
        """Why the answer ended."""
        empty: Choice = {"delta": {}} if self._shape.opens else {"text": ""}
        return self._choice({**empty, "finish_reason": reason})

    def usage(self, counts: dict[str, object]) -> bytes:
        """The counts, in an event of their own."""
        rest = json.dumps({"choices": [], "usage": counts})[1:]
        return f"{self._start}{rest}\n\n".encode()

    def _event(self, delta: Choice) -> bytes:
        return self._choice({"delta": delta, "finish_reason": None})

    def _choice(self, fields: Choice) -> bytes:
        choice = {"index": 0, "logprobs": None, **fields}
        return f'{self._start}"choices": [{json.dumps(choice)}]{self._end}'.encode()


COMPLETION = Shape(
    operation="text_completion",
    prefix="cmpl",
    whole_object="text_completion",
    chunk="text_completion",
    opens=False,
    message=lambda text: {"text": text},
    delta=lambda text: {"text": text},
    chances=logprobs.of_completion,
)

CHAT = Shape(
    operation="chat",
    prefix="chatcmpl",
    whole_object="chat.completion",
    chunk="chat.completion.chunk",
    opens=True,
    message=lambda text: {"message": {"role": "assistant", "content": text, "refusal": None}},
    delta=lambda text: {"delta": {"content": text}},
    chances=logprobs.of_chat,
)
