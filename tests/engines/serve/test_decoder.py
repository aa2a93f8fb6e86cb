"""The decoding thread, with an engine of pure arithmetic: rows, order, cancelling, failing."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engines.serve.decoder import PREFILL_CHUNK, Decoder, Event, Finish, Full, Job, Stopped
from engines.serve.sampling import Sampler
from landfall import process

VOCABULARY = 97


class Arithmetic:
    """A runtime whose next token is a digest of everything that stands in its row of the cache."""

    def __init__(self, slots: int = 4, room: int = 200) -> None:
        self.slots, self.room, self.vocabulary = slots, room, VOCABULARY
        self._rows = np.full((slots, room), -1, np.int64)
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False
        self.widest = 0

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        self.gate.wait()
        self._rows[slot, start : start + len(ids)] = ids
        return np.stack([self._logits(slot, start + each + 1) for each in range(len(ids))])

    def decode(self, ids: Any, lengths: Any) -> Any:
        self.gate.wait()
        if self.fail:
            raise RuntimeError("out of memory")
        self.widest = max(self.widest, len(ids))
        for row, (token, length) in enumerate(zip(ids, lengths, strict=True)):
            self._rows[row, length] = token
        return np.stack([self._logits(row, length + 1) for row, length in enumerate(lengths)])

    def move(self, source: int, target: int, length: int) -> None:
        self._rows[target] = -1
        self._rows[target, :length] = self._rows[source, :length]

    def _logits(self, row: int, length: int) -> Any:
        held = self._rows[row, :length]
        assert (held >= 0).all()  # never reads what was not written
        weighed = int((held * np.arange(1, length + 1)).sum())
        return np.eye(VOCABULARY, dtype=np.float32)[(weighed * 31 + length) % VOCABULARY]


class Bench:
    """A decoder and what it said."""

    def __init__(self, runtime: Arithmetic, max_queue: int = 64, end: frozenset[int] = frozenset()):
        self.runtime = runtime
        self.tokens: dict[Job, list[int]] = defaultdict(list)
        self.ends: dict[Job, Finish] = {}
        self.decoder = Decoder(runtime, end_tokens=end, max_queue=max_queue, deliver=self._deliver)
        self.decoder.start()

    def ask(self, prompt: list[int], length: int) -> Job:
        job = Job(
            ids=np.array(prompt), max_tokens=length, sampler=Sampler(), on_event=lambda _: None
        )
        self.decoder.submit(job)
        return job

    def until(self, *jobs: Job) -> None:
        assert process.wait_until(
            lambda: all(job in self.ends for job in jobs), timeout_s=20, interval_s=0.002
        )

    def _deliver(self, events: list[Event]) -> None:
        for event in events:
            assert event.job not in self.ends  # nothing comes after the end
            if event.token is not None:
                self.tokens[event.job].append(event.token)
            if event.finish is not None:
                self.ends[event.job] = event.finish


@pytest.fixture
def benches() -> Iterator[list[Bench]]:
    made: list[Bench] = []
    yield made
    for bench in made:
        bench.runtime.gate.set()
        bench.decoder.stop(5)


def make(benches: list[Bench], runtime: Arithmetic | None = None, **more: Any) -> Bench:
    benches.append(Bench(runtime or Arithmetic(), **more))
    return benches[-1]


def test_together_each_gets_what_it_gets_alone(benches: list[Bench]) -> None:
    chance = random.Random(3)
    requests = [
        (
            [chance.randrange(VOCABULARY) for _ in range(chance.randint(1, 90))],
            chance.randint(1, 50),
        )
        for _ in range(32)
    ]
    alone, together = make(benches, Arithmetic(slots=1)), make(benches)
    solo = []
    for request in requests:
        job = alone.ask(*request)
        alone.until(job)
        solo.append(alone.tokens[job])
    jobs = [together.ask(*request) for request in requests]
    together.until(*jobs)
    assert [together.tokens[job] for job in jobs] == solo
    assert [len(tokens) for tokens in solo] == [length for _, length in requests]
    assert together.runtime.widest == 4


def test_cancelling_frees_the_row_and_disturbs_nobody(benches: list[Bench]) -> None:
    bench = make(benches)
    calm = make(benches, Arithmetic(slots=1))
    kept, gone = bench.ask([5, 6], 150), bench.ask([7] * (PREFILL_CHUNK * 3), 100)
    late = bench.ask([9], 150)
    gone.cancelled = True
    bench.until(kept, gone, late)
    assert bench.ends[gone] is Finish.CANCELLED
    for prompt, job in (([5, 6], kept), ([9], late)):
        reference = calm.ask(prompt, 150)
        calm.until(reference)
        assert bench.tokens[job] == calm.tokens[reference]
    assert process.wait_until(lambda: bench.decoder.active == 0, timeout_s=5)


def test_the_queue_has_an_end(benches: list[Bench]) -> None:
    bench = make(benches, Arithmetic(slots=1), max_queue=2)
    bench.runtime.gate.clear()
    jobs = [bench.ask([1], 5)]
    assert process.wait_until(lambda: bench.decoder.active == 1, timeout_s=5)
    jobs += [bench.ask([1], 5), bench.ask([1], 5)]
    with pytest.raises(Full):
        bench.ask([1], 5)
    bench.runtime.gate.set()
    bench.until(*jobs)


def test_an_end_token_ends_and_is_not_handed_out(benches: list[Bench]) -> None:
    first = make(benches)
    job = first.ask([1, 2, 3], 20)
    first.until(job)
    end = first.tokens[job][7]
    cut = first.tokens[job].index(end)
    second = make(benches, end=frozenset({end}))
    other = second.ask([1, 2, 3], 20)
    second.until(other)
    assert second.tokens[other] == first.tokens[job][:cut]
    assert second.ends[other] is Finish.STOP


def test_a_failing_engine_leaves_nobody_waiting(benches: list[Bench]) -> None:
    bench = make(benches, Arithmetic(slots=1))
    bench.runtime.gate.clear()
    bench.runtime.fail = True
    jobs = [bench.ask([1], 9), bench.ask([2], 9)]
    bench.runtime.gate.set()
    bench.until(*jobs)
    assert set(bench.ends.values()) == {Finish.FAILED}
    assert bench.decoder.failure == "RuntimeError: out of memory"
    with pytest.raises(Stopped):
        bench.ask([1], 9)
    assert process.wait_until(lambda: bench.decoder.silence_s() == float("inf"), timeout_s=5)


def test_a_hung_engine_falls_silent_and_an_idle_one_does_not(benches: list[Bench]) -> None:
    bench = make(benches, Arithmetic(slots=1))
    time.sleep(0.7)
    assert bench.decoder.silence_s() < 0.6
    bench.runtime.gate.clear()
    bench.ask([1], 9)
    assert process.wait_until(lambda: bench.decoder.silence_s() > 0.8, timeout_s=5)
