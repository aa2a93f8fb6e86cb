"""The engine as the routes see it: who may ask, what is ready, what still runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import numpy as np

from engines.serve.answer import Answer, Broken
from engines.serve.decoder import PREFILL_CHUNK, Decoder
from engines.serve.job import Event, Finish, Full, Job, Stopped
from engines.serve.load import Loaded
from engines.serve.metrics import Metrics
from engines.serve.requests import BadRequest, Generation
from engines.serve.sampling import Sampler

HUNG_AFTER_S = 30.0
"""A step takes milliseconds; a thread that is silent for this long does not come back."""
STALLED_AFTER_S = 10.0
"""A thread that is silent for this long should get no new requests; it may still come back."""

RETRY_AFTER_S = 1
"""When a client that was turned away may try again: answers take seconds, not minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the server takes on. Lengths in tokens, the body in bytes, times in seconds."""

    max_queue: int = 64
    max_new_tokens: int
    max_body: int = 1 << 20
    body_s: float = 30.0
    drain_s: float = 30.0
    hung_after_s: float = HUNG_AFTER_S
    stalled_after_s: float = STALLED_AFTER_S


@dataclass(eq=False, slots=True)
class Service:
    """One engine that is being served."""

    name: str
    loaded: Loaded
    limits: Limits
    metrics: Metrics = field(init=False)
    decoder: Decoder = field(init=False)
    warm: bool = False
    draining: bool = False
    running: int = 0
    failure: str = ""
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        about = self.loaded.about
        self.metrics = Metrics(
            self.name,
            {
                "model": about.materials.model,
                "version": about.materials.version,
                "key": about.key,
                "backend": f"{about.backend} {about.backend_version}",
                "precision": about.precision,
                "classification": about.classification.value,
            },
        )
        self.decoder = Decoder(
            self.loaded.runtime,
            end_tokens=self.loaded.end_tokens,
            max_queue=self.limits.max_queue,
            deliver=self._deliver,
            kept=self.loaded.kept,
        )
        self.metrics.watch("landfall_slots", "Rows that there are.", lambda: self.decoder.slots)
        self.metrics.watch("landfall_active_slots", "Rows in use.", lambda: self.decoder.active)
        self.metrics.watch(
            "landfall_queue_depth", "Requests without a row.", lambda: self.decoder.waiting
        )
        self.metrics.watch(
            "landfall_kept_prompts", "Prompts kept in the cache.", lambda: self.decoder.kept
        )
        self.metrics.watch("landfall_ready", "1 when ready.", lambda: not self.not_ready())

    async def start(self) -> None:
        """Start decoding and fill all rows once: only then the engine is ready.

        The first prompt, the first step and the first draw load code and memory, and so does the
        first step of each number of rows. No client should wait for that.

        Raises:
            Broken: it cannot; `not_live` says why.
        """
        self._loop = asyncio.get_running_loop()
        self.decoder.start()
        slots, room = self.decoder.slots, self.loaded.runtime.room
        ends: asyncio.Queue[Finish] = asyncio.Queue()

        def note(event: Event) -> None:
            if event.finish is not None:
                ends.put_nowait(event.finish)

        for _ in range(slots):
            # Long enough that the first still runs when the last begins.
            tokens = min(2 * slots, room // 2)
            job = Job(
                ids=np.zeros(min(PREFILL_CHUNK + 1, room - tokens), np.int64),
                max_tokens=tokens,
                sampler=Sampler(temperature=1.0),
                on_event=note,
            )
            self.decoder.submit(job)
        found = {await ends.get() for _ in range(slots)}
        if not found <= {Finish.STOP, Finish.LENGTH}:
            self.failure = f"the first answers ended with {', '.join(sorted(found))}"
            raise Broken(self.failure)
        self.warm = True

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
        later = {"retry-after": str(RETRY_AFTER_S)}
        if self.draining:
            raise _unavailable("the server is being stopped", later | {"connection": "close"})
        try:
            answer.__enter__()
        except Full:
            raise BadRequest(
                f"{self.limits.max_queue} requests wait already",
                status=429,
                code="rate_limit_exceeded",
                kind="rate_limit_error",
                headers=later,
            ) from None
        except Stopped:
            raise _unavailable("the engine has failed", later) from None

    def not_live(self) -> str:
        """Why the server should be restarted, or nothing."""
        failure = self.decoder.failure or self.failure
        if failure:
            return f"the engine failed: {failure}"
        silence = self.decoder.silence_s()
        return _silent(silence) if silence > self.limits.hung_after_s else ""

    def not_ready(self) -> str:
        """Why no request should be sent here, or nothing."""
        if not self.warm:
            return "no token has been generated yet"
        if self.draining:
            return "the server is being stopped"
        silence = self.decoder.silence_s()
        return self.not_live() or (
            _silent(silence) if silence > self.limits.stalled_after_s else ""
        )

    async def drain(self) -> bool:
        """Take nothing new and wait for what runs; False where it did not end in time."""
        self.draining = True
        try:
            async with asyncio.timeout(self.limits.drain_s):
                while self.running:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True

    def _deliver(self, events: list[Event]) -> None:
        assert self._loop is not None  # start() set it before the thread began
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_dispatch, events)


def _dispatch(events: list[Event]) -> None:
    for event in events:
        event.job.on_event(event)


def _silent(seconds: float) -> str:
    return f"the engine has not taken a step for {seconds:.0f} s"


def _unavailable(message: str, headers: dict[str, str]) -> BadRequest:
    return BadRequest(message, status=503, code="unavailable", kind="server_error", headers=headers)


__all__ = ["Broken", "Limits", "Service"]
