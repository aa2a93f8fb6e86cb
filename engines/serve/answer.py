"""One answer on its way: from the decoder's events to pieces of text, with its counts and times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np

from engines.serve.decoder import Decoder, Event, Finish, Job
from engines.serve.metrics import Metrics
from engines.serve.requests import Generation
from engines.serve.sampling import Sampler
from engines.serve.text import TextStream
from engines.tokenizer import Tokenizer


class Broken(Exception):
    """The engine failed, or was stopped, before the answer was whole."""


class Answer:
    """The answer to one request. Use as a context: leaving it frees the row, whole or not."""

    def __init__(
        self, request: Generation, decoder: Decoder, tokenizer: Tokenizer, metrics: Metrics,
        operation: str,
    ) -> None:  # fmt: skip
        self.prompt_tokens = len(request.ids)
        self.tokens = 0
        self.finish: Finish | None = None
        self.first_token_s: float | None = None
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._text = TextStream(tokenizer, request.stops)
        self._metrics = metrics
        self._operation = operation
        self._note_next = metrics.next_token(operation)
        self._decoder = decoder
        self._started = self._last = time.perf_counter()
        self._job = Job(
            ids=np.array(request.ids, np.int64),
            max_tokens=request.max_tokens,
            sampler=Sampler(
                temperature=request.temperature, top_p=request.top_p, seed=request.seed
            ),
            on_event=self._events.put_nowait,
        )

    def __enter__(self) -> Answer:
        """Queue the request.

        Raises:
            decoder.Full, decoder.Stopped: nobody will answer it.
        """
        self._decoder.submit(self._job)
        return self

    def __exit__(self, *_: object) -> None:
        if self.finish is None:
            self.finish = Finish.CANCELLED
        self._job.cancelled = True
        self._metrics.tokens(read=self.prompt_tokens, made=self.tokens)

    async def pieces(self) -> AsyncIterator[str]:
        """The text, piece by piece, as soon as each is certain.

        Raises:
            Broken: the engine failed half-way.
        """
        while self.finish is None:
            event = await self._events.get()
            piece = ""
            if event.token is not None:
                self._count()
                piece = self._text.feed(event.token)
            if self._text.stopped:
                self.finish = Finish.STOP
            elif event.finish in {Finish.FAILED, Finish.CANCELLED}:
                self.finish = event.finish
                raise Broken
            elif event.finish is not None:
                piece += self._text.end()
                # What was held back may turn out to end in a stop word; it cannot be one already.
                self.finish = event.finish
            if piece:
                yield piece

    def usage(self) -> dict[str, int]:
        """The counts, in OpenAI's form."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.tokens,
            "total_tokens": self.prompt_tokens + self.tokens,
        }

    def _count(self) -> None:
        now = time.perf_counter()
        if self.tokens == 0:
            self.first_token_s = now - self._started
            self._metrics.first_token(self._operation, self.first_token_s)
        else:
            self._note_next(now - self._last)
        self._last = now
        self.tokens += 1
