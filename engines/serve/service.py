"""A text engine as the routes see it: who may ask, what is ready, what still runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engines.manifest import Predicate
from engines.serve.answer import Answer, Broken
from engines.serve.decoder import PREFILL_CHUNK, Decoder
from engines.serve.job import Event, Finish, Full, Job, Stopped
from engines.serve.lifecycle import Lifecycle, Limits, too_many, unavailable
from engines.serve.load import Loaded
from engines.serve.metrics import Metrics
from engines.serve.requests import Generation
from engines.serve.sampling import Sampler


@dataclass(eq=False, slots=True)
class Service:
    """One engine that is being served."""

    name: str
    loaded: Loaded
    limits: Limits
    metrics: Metrics = field(init=False)
    decoder: Decoder = field(init=False)
    life: Lifecycle = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.name, self.about)
        self.decoder = Decoder(
            self.loaded.runtime,
            end_tokens=self.loaded.end_tokens,
            max_queue=self.limits.max_queue,
            deliver=self._deliver,
            kept=self.loaded.kept,
        )
        self.life = Lifecycle(limits=self.limits, silence_s=self.decoder.silence_s)
        for name, text, read in (
            ("slots", "Rows that there are.", lambda: self.decoder.slots),
            ("active_slots", "Rows in use.", lambda: self.decoder.active),
            ("queue_depth", "Requests without a row.", lambda: self.decoder.waiting),
            ("kept_prompts", "Prompts kept in the cache.", lambda: self.decoder.kept),
            ("ready", "1 when ready.", lambda: not self.not_ready()),
        ):
            self.metrics.watch(f"landfall_{name}", text, read)

    @property
    def about(self) -> Predicate:
        """What is attested about the engine."""
        return self.loaded.about

    async def start(self) -> None:
        """Start decoding and fill all rows once: only then the engine is ready.

        The first prompt, the first step and the first draw load code and memory, and so does the
        first step of each number of rows. No client should wait for that.

        Raises:
            Broken: it cannot; `not_live` says why.
        """
        self._loop = asyncio.get_running_loop()
        self.decoder.start()
        ends: asyncio.Queue[Finish] = asyncio.Queue()

        def note(event: Event) -> None:
            if event.finish is not None:
                ends.put_nowait(event.finish)

        for _ in range(self.decoder.slots):
            self.decoder.submit(self._first_job(note))
        found = {await ends.get() for _ in range(self.decoder.slots)}
        if not found <= {Finish.STOP, Finish.LENGTH}:
            self.life.failure = f"the first answers ended with {', '.join(sorted(found))}"
            raise Broken(self.life.failure)
        self.life.warm = True

    def answer(self, request: Generation, operation: str, tenant: str) -> Answer:
        """An answer to `request`, not yet queued. Without a tenant no prompt is kept or found."""
        return Answer(
            request,
            self.decoder,
            self.loaded.tokenizer,
            self.metrics,
            operation=operation,
            owner=(tenant, request.cache_salt) if tenant else None,
        )

    def admit(self, answer: Answer) -> None:
        """Queue an answer.

        Raises:
            BadRequest: the server is full, draining or broken; says when to try again.
        """
        self.life.admit()
        try:
            answer.__enter__()
        except Full:
            raise too_many(self.limits.max_queue) from None
        except Stopped:
            raise unavailable("the engine has failed") from None

    def not_live(self) -> str:
        """Why the server should be restarted, or nothing."""
        self.life.failure = self.decoder.failure or self.life.failure
        return self.life.not_live()

    def not_ready(self) -> str:
        """Why no request should be sent here, or nothing."""
        self.not_live()
        return self.life.not_ready()

    def abandon(self) -> None:
        """Tell all who wait that the engine failed: its thread hangs, and will not."""
        self.decoder.abandon()

    def stop(self) -> None:
        """End the work; what still runs is told that it was cut."""
        self.decoder.stop(timeout_s=1)

    def _first_job(self, note: Callable[[Event], None]) -> Job:
        # Long enough that the first still runs when the last begins.
        room = self.loaded.runtime.room
        tokens = min(2 * self.decoder.slots, room // 2)
        return Job(
            ids=np.zeros(min(PREFILL_CHUNK + 1, room - tokens), np.int64),
            max_tokens=tokens,
            sampler=Sampler(temperature=1.0),
            on_event=note,
        )

    def _deliver(self, events: list[Event]) -> None:
        assert self._loop is not None  # start() set it before the thread began
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_dispatch, events)


def _dispatch(events: list[Event]) -> None:
    for event in events:
        event.job.on_event(event)


__all__ = ["Broken", "Limits", "Service"]
