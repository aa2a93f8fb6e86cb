"""One answer on its way: from the decoder's events to pieces of text, with its counts and times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from engines.serve.decoder import Decoder
from engines.serve.job import Event, Finish, Job
from engines.serve.metrics import Metrics
from engines.serve.prefix import Owner
from engines.serve.requests import Generation
from engines.serve.sampling import Chances, Sampler
from engines.serve.text import TextStream
from engines.tokenizer import Tokenizer

WHY = {
    Finish.FAILED: "the engine stopped before the answer was whole",
    Finish.CANCELLED: "the engine stopped before the answer was whole",
    Finish.NOT_FINITE: "the model's numbers are not finite: there is no token to choose",
}
"""What a client is told when an answer does not end as it should."""


class Broken(Exception):
    """The engine failed, or was stopped, before the answer was whole."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A token with its chances; `start` is where its text begins in the answer, in characters."""

    token: int
    start: int
    chances: Chances


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the answer's text, and the chances of its tokens where they were asked for."""

    text: str
    scored: tuple[Scored, ...] = ()


class Answer:
    """The answer to one request. Use as a context: leaving it frees the row, whole or not."""

    def __init__(
        self, request: Generation, decoder: Decoder, tokenizer: Tokenizer, metrics: Metrics, *,
        operation: str, owner: Owner | None,
    ) -> None:  # fmt: skip
        self.prompt_tokens = len(request.ids)
        self.tells_chances = request.top_logprobs is not None
        self.tokens = 0
        self.finish: Finish | None = None
        self.first_token_s: float | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._text = TextStream(tokenizer, request.stops)
        self._scored: list[Scored] = []
        self._metrics = metrics
        self._operation = operation
        self._note_next = metrics.next_token(operation)
        self._decoder = decoder
        self._started = self._last = time.perf_counter()
        self._job = Job(
            ids=np.array(request.ids, np.int64),
            max_tokens=request.max_tokens,
            sampler=Sampler(
                temperature=request.temperature,
                top_p=request.top_p,
                top_k=request.top_k,
                seed=request.seed,
            ),
            on_event=self._events.put_nowait,
            owner=owner,
            top_logprobs=request.top_logprobs,
        )

    def __enter__(self) -> Answer:
        """Queue the request.

        Raises:
            Full, Stopped: nobody will answer it.
        """
        self._decoder.submit(self._job)
        return self

    def __exit__(self, *_: object) -> None:
        if self.finish is None:
            self.finish = Finish.CANCELLED
        self._job.cancelled = True
        self._metrics.tokens(
            self._operation, read=self.prompt_tokens, made=self.tokens, cached=self.cached
        )
        if self.first_token_s is not None and self.finish in {Finish.STOP, Finish.LENGTH}:
            self._metrics.answered(
                self._operation,
                first_s=self.first_token_s,
                rest_s=self._last - self._started - self.first_token_s,
                tokens=self.tokens,
            )

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """The text, piece by piece, as soon as each is certain.

        Pieces that have come in the meantime come together: where the engine is quicker than the
        network, one write then carries several.

        Raises:
            Broken: the engine failed half-way; says why.
        """
        while self.finish is None:
            found = [self._take(await self._events.get())]
            while self.finish is None and not self._events.empty():
                found.append(self._take(self._events.get_nowait()))
            told = [piece for piece in found if piece.text or piece.scored]
            if told:
                yield told
            if self.finish is not None and self.finish in WHY:
                raise Broken(WHY[self.finish])

    def _take(self, event: Event) -> Piece:
        text = self._feed(event) if event.token is not None else ""
        if self._text.stopped:
            self.finish = Finish.STOP
        elif event.finish is not None:
            if event.finish not in WHY:
                text += self._text.end()
            # What was held back may turn out to end in a stop word; it cannot be one already.
            self.finish = event.finish
        return Piece(text, self._told())

    @property
    def cached(self) -> int:
        """How many tokens of the prompt the cache held; known with the first token."""
        return self._job.cached

    def usage(self) -> dict[str, object]:
        """The counts, in OpenAI's form."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached},
        }

    def _feed(self, event: Event) -> str:
        assert event.token is not None  # the caller looked
        self._count()
        if event.chances is not None:
            self._scored.append(Scored(event.token, self._text.read, event.chances))
        return self._text.feed(event.token)

    def _told(self) -> tuple[Scored, ...]:
        """The tokens whose text has been handed out; at an end without a stop word, all."""
        if not self._scored:
            return ()
        everything = self.finish is not None and not self._text.stopped
        out = [each for each in self._scored if everything or each.start < self._text.released]
        self._scored = self._scored[len(out) :]
        return tuple(out)

    def _count(self) -> None:
        now = time.perf_counter()
        if self.tokens == 0:
            self.first_token_s = now - self._started
        else:
            self._note_next(now - self._last)
        self._last = now
        self.tokens += 1
