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

from engines.serve.decoder import PREFILL_CHUNK, Decoder
from engines.serve.job import Event, Finish, Full, Job, Stopped
from engines.serve.sampling import Chances, Sampler
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
        self.poison: int | None = None
        self.widest = 0
        self.read = 0

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        self.gate.wait()
        self.read += len(ids)
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
        if self.poison in held:
            return np.full(VOCABULARY, np.nan, np.float32)
        weighed = int((held * np.arange(1, length + 1)).sum())
        return np.eye(VOCABULARY, dtype=np.float32)[(weighed * 31 + length) % VOCABULARY]


class Bench:
    """A decoder and what it said."""

    def __init__(
        self,
        runtime: Arithmetic,
        max_queue: int = 64,
        end: frozenset[int] = frozenset(),
        kept: int = 0,
    ) -> None:
        self.runtime = runtime
        self.tokens: dict[Job, list[int]] = defaultdict(list)
        self.ends: dict[Job, Finish] = {}
        self.chances: dict[Job, list[Chances]] = defaultdict(list)
        self.decoder = Decoder(
            runtime, end_tokens=end, max_queue=max_queue, deliver=self._deliver, kept=kept
        )
        self.decoder.start()

    def ask(self, prompt: list[int], length: int, **more: Any) -> Job:
        job = Job(
            ids=np.array(prompt),
            max_tokens=length,
            sampler=Sampler(),
            on_event=lambda _: None,
            **more,
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
            if event.chances is not None:
                self.chances[event.job].append(event.chances)
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


def test_kept_prompts_change_no_answer(benches: list[Bench]) -> None:
    chance = random.Random(5)
    beginnings = [[chance.randrange(VOCABULARY) for _ in range(100)] for _ in range(3)]
    requests = [
        (
            [*chance.choice(beginnings)[: chance.randint(1, 100)], chance.randrange(VOCABULARY)],
            chance.randint(1, 50),
        )
        for _ in range(60)
    ]
    plain, keeping = make(benches, Arithmetic(slots=3)), make(benches, Arithmetic(5), kept=2)
    alone = [plain.ask(*request) for request in requests]
    plain.until(*alone)
    owners = [("ann", ""), ("bob", ""), None]
    jobs = [keeping.ask(*request, owner=chance.choice(owners)) for request in requests]
    keeping.until(*jobs)
    assert [keeping.tokens[job] for job in jobs] == [plain.tokens[job] for job in alone]
    cached = sum(job.cached for job in jobs)
    assert cached > 0
    assert keeping.runtime.read == plain.runtime.read - cached
    assert all(job.cached == 0 for job in jobs if job.owner is None)
    assert keeping.runtime.widest == 3  # kept rows answer nobody


def test_a_running_request_lends_its_prompt(benches: list[Bench]) -> None:
    bench = make(benches, Arithmetic(slots=3), kept=0)
    prompt = [*range(2 * PREFILL_CHUNK), 5]
    bench.runtime.gate.clear()
    first = bench.ask(prompt, 100, owner=("ann", ""))
    jobs = [bench.ask(prompt, 3, owner=owner) for owner in (("ann", ""), ("bob", ""))]
    bench.runtime.gate.set()
    bench.until(first, *jobs)
    assert [job.cached for job in jobs] == [2 * PREFILL_CHUNK, 0]
    assert bench.tokens[jobs[0]] == bench.tokens[jobs[1]] == bench.tokens[first][:3]


def test_what_is_no_number_ends_its_own_request_only(benches: list[Bench]) -> None:
    bench, calm = make(benches, kept=1), make(benches, Arithmetic(slots=1))
    reference = calm.ask([3, 4], 60)
    calm.until(reference)
    bench.runtime.poison = calm.tokens[reference][40]
    owner = ("ann", "")
    bad = bench.ask([bench.runtime.poison] * (PREFILL_CHUNK + 1), 9, owner=owner)
    late, fine = bench.ask([3, 4], 60), bench.ask([3, 4], 30)
    bench.until(bad, late, fine)
    first = calm.tokens[reference].index(bench.runtime.poison)
    assert bench.ends == {
        bad: Finish.NOT_FINITE,
        late: Finish.NOT_FINITE,
        fine: Finish.LENGTH if first >= 29 else Finish.NOT_FINITE,
    }
    assert bench.tokens[bad] == []
    assert bench.tokens[late] == calm.tokens[reference][: first + 1]
    assert bench.decoder.kept == 0  # what gave no numbers is not kept
    assert bench.decoder.failure == ""


def test_chances_come_with_the_tokens_of_who_asked(benches: list[Bench]) -> None:
    bench = make(benches)
    asked, other = bench.ask([1, 2], 5, top_logprobs=2), bench.ask([1, 2], 5)
    bench.until(asked, other)
    assert [each.top[0][0] for each in bench.chances[asked]] == bench.tokens[asked]
    assert {len(each.top) for each in bench.chances[asked]} == {2}
    assert bench.chances[other] == []


def test_an_abandoned_job_is_told(benches: list[Bench]) -> None:
    bench = make(benches, Arithmetic(slots=1))
    bench.runtime.gate.clear()
    jobs = [bench.ask([1], 5), bench.ask([1], 5)]
    assert process.wait_until(lambda: bench.decoder.active == 1, timeout_s=5)
    bench.decoder.abandon()
    assert [bench.ends[job] for job in jobs] == [Finish.FAILED] * 2
    with pytest.raises(Stopped):
        bench.ask([1], 5)


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
