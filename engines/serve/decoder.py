"""The thread that owns the engine: continuous batching over the rows of one cache.

Each round reads one chunk of one waiting prompt and then takes one step for all running rows, so a
long prompt delays the others by a chunk at most. Running rows are always the first ones of the
cache: when one ends, the last takes its place. The row whose prompt is being read comes after them.
The last rows of the cache are for prompts that were read before; see `prefix`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engines.backends import Logits, Runtime
from engines.serve.job import Event, Finish, Full, Job, Stopped
from engines.serve.prefix import PrefixCache, shared
from engines.serve.sampling import chances, choose, finite

PREFILL_CHUNK = 32
"""Tokens of a prompt that are read between two steps: a few steps' time on small processors."""

IDLE_S = 0.5
"""How often an idle thread shows that it lives."""


@dataclass(eq=False, slots=True)
class _State:
    waiting: deque[Job] = field(default_factory=deque)
    reading: Job | None = None
    rows: list[Job] = field(default_factory=list)


class Decoder:
    """Answers jobs from one engine, in a thread of its own.

    Args:
        runtime: the loaded engine; only this thread touches it from now on.
        end_tokens: tokens that end a text.
        max_queue: how many jobs may wait for a row.
        kept: how many of the runtime's rows are for prompts that were read before.
        deliver: called on the thread with the events of a step.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        end_tokens: frozenset[int],
        max_queue: int,
        deliver: Callable[[list[Event]], None],
        kept: int = 0,
    ) -> None:
        self._runtime = runtime
        self.slots = runtime.slots - kept
        self._prefixes = PrefixCache(range(self.slots, runtime.slots), PREFILL_CHUNK)
        self._end_tokens = end_tokens
        self._max_queue = max_queue
        self._deliver = deliver
        self._state = _State()
        self._wake = threading.Condition()
        self._stopping = False
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self.failure = ""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job. Its end always comes as an event, whatever happens.

        Raises:
            Full: as many wait as may.
            Stopped: nobody would answer.
        """
        with self._wake:
            if self._stopping:
                raise Stopped
            state = self._state
            free = self.slots - len(state.rows) - (state.reading is not None)
            if len(state.waiting) >= self._max_queue + max(free, 0):
                raise Full
            state.waiting.append(job)
            self._wake.notify()

    def abandon(self) -> None:
        """Tell every job that it failed, without the thread: it hangs, and will not."""
        self._end_all(Finish.FAILED)

    def stop(self, timeout_s: float) -> bool:
        """End the thread; jobs that run are cancelled. False where it did not end in time."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def active(self) -> int:
        """Rows in use."""
        return len(self._state.rows) + (self._state.reading is not None)

    @property
    def kept(self) -> int:
        """Prompts that the cache holds for later."""
        return len(self._prefixes)

    @property
    def waiting(self) -> int:
        """Jobs without a row."""
        return len(self._state.waiting)

    def silence_s(self) -> float:
        """Seconds since the thread last showed that it lives; infinite when it has ended."""
        if self._thread.ident is not None and not self._thread.is_alive():
            return float("inf")
        return time.monotonic() - self._beat

    def _run(self) -> None:
        try:
            while self._wait():
                self._round()
            self._end_all(Finish.CANCELLED)
        except Exception as error:  # whatever it was, nobody may wait for ever
            self.failure = f"{type(error).__name__}: {error}"
            self._end_all(Finish.FAILED)

    def _wait(self) -> bool:
        """Sleep while there is nothing to do; False at the end."""
        state = self._state
        with self._wake:
            while not self._stopping:
                self._beat = time.monotonic()
                if state.rows or state.reading or state.waiting:
                    return True
                self._wake.wait(IDLE_S)
        return False

    def _round(self) -> None:
        self._drop_cancelled()
        state = self._state
        if state.reading is None and state.waiting and len(state.rows) < self.slots:
            with self._wake:
                state.reading = state.waiting.popleft()
            self._recall(state.reading)
        if state.reading is not None:
            self._read_chunk(state.reading)
        if state.rows:
            self._step()

    def _recall(self, job: Job) -> None:
        """Copy what the cache holds of the prompt; at least its last token is always read."""
        if job.owner is None:
            return
        rows, known = self._state.rows, job.ids[:-1]
        source, length = self._prefixes.find(job.owner, known)
        for row, other in enumerate(rows):
            if other.owner == job.owner:
                same = shared(other.ids, known, PREFILL_CHUNK)
                source, length = (row, same) if same > length else (source, length)
        if length:
            self._runtime.move(source, len(rows), length)
        job._read = job.cached = length

    def _read_chunk(self, job: Job) -> None:
        state = self._state
        chunk = job.ids[job._read : job._read + PREFILL_CHUNK]
        logits = self._runtime.prefill(len(state.rows), chunk, job._read)
        job._read += len(chunk)
        if job._read < len(job.ids):
            return
        state.reading = None
        job._length = len(job.ids)
        state.rows.append(job)
        self._advance([job], logits[-1:])

    def _step(self) -> None:
        rows = self._state.rows
        ids = np.array([job._last for job in rows], np.int64)
        lengths = np.array([job._length for job in rows], np.int32)
        logits = self._runtime.decode(ids, lengths)
        for job in rows:
            job._length += 1
        self._advance(list(rows), logits)

    def _advance(self, jobs: list[Job], logits: Logits) -> None:
        """Choose each job's next token, hand them all out, free the rows of those that ended."""
        sound = finite(logits)
        samplers = [job.sampler for job, yes in zip(jobs, sound, strict=True) if yes]
        tokens = iter(choose(logits if sound.all() else logits[sound], samplers))
        events = [
            self._take(job, next(tokens), logits[row])
            if sound[row]
            else Event(job, None, Finish.NOT_FINITE)
            for row, job in enumerate(jobs)
        ]
        # From the last row on, so that a row which takes an ended one's place has been looked at.
        for event in reversed(events):
            if event.finish is not None:
                self._free(event.job, keep=event.finish is not Finish.NOT_FINITE)
        self._deliver(events)

    def _take(self, job: Job, token: int, logits: Logits) -> Event:
        if token in self._end_tokens:
            return Event(job, None, Finish.STOP)
        job._last = token
        job._made += 1
        finish = Finish.LENGTH if job._made >= job.max_tokens else None
        if job.top_logprobs is None:
            return Event(job, token, finish)
        return Event(job, token, finish, chances(logits, token, job.top_logprobs))

    def _drop_cancelled(self) -> None:
        state = self._state
        gone = [job for job in state.rows if job.cancelled]
        for job in gone:
            self._free(job, keep=True)
        if state.reading is not None and state.reading.cancelled:
            gone.append(state.reading)
            state.reading = None
        if any(job.cancelled for job in state.waiting):
            with self._wake:
                gone += [job for job in state.waiting if job.cancelled]
                state.waiting = deque(job for job in state.waiting if not job.cancelled)
        if gone:
            self._deliver([Event(job, None, Finish.CANCELLED) for job in gone])

    def _free(self, job: Job, *, keep: bool) -> None:
        rows, runtime = self._state.rows, self._runtime
        row, last = rows.index(job), len(rows) - 1
        if keep and job.owner is not None:
            whole = job.ids[: len(job.ids) // PREFILL_CHUNK * PREFILL_CHUNK]
            target = self._prefixes.keep(job.owner, whole)
            if target is not None:
                runtime.move(row, target, len(whole))
        if row != last:
            runtime.move(last, row, rows[last]._length)
            rows[row] = rows[last]
        rows.pop()
        if self._state.reading is not None:
            runtime.move(last + 1, last, self._state.reading._read)

    def _end_all(self, finish: Finish) -> None:
        with self._wake:
            state, self._state = self._state, _State()
            self._stopping = True
            jobs = [*state.rows, *([state.reading] if state.reading else []), *state.waiting]
        self._deliver([Event(job, None, finish) for job in jobs])
