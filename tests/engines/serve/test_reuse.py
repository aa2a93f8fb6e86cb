"""A real engine: an answer on a kept prompt is the same, to the bit, as one without."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from engines import backends
from engines.serve.decoder import PREFILL_CHUNK, Decoder
from engines.serve.job import Event, Job
from engines.serve.sampling import Sampler

pytestmark = pytest.mark.slow

ROOM = 128
PROMPT = [97 + number % 23 for number in range(2 * PREFILL_CHUNK + 20)]
OWNER = ("clinic", "")


class Watched:
    """A runtime that notes the logits that it gives, and how much it reads."""

    def __init__(self, runtime: Any) -> None:
        self.runtime = runtime
        self.slots, self.room, self.vocabulary = runtime.slots, runtime.room, runtime.vocabulary
        self.move = runtime.move
        self.logits: list[Any] = []
        self.read = 0

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        self.read += len(ids)
        self.logits.append(self.runtime.prefill(slot, ids, start)[-1:].copy())
        return self.logits[-1]

    def decode(self, ids: Any, lengths: Any) -> Any:
        self.logits.append(self.runtime.decode(ids, lengths).copy())
        return self.logits[-1]


Ask = Callable[..., Job]


@pytest.fixture
def engine(signed: Any) -> Iterator[tuple[Watched, Ask]]:
    runtime = Watched(
        backends.find("onnxruntime").open(signed.engine, slots=5, room=ROOM, threads=1)
    )
    said: queue.Queue[Event] = queue.Queue()

    def deliver(events: list[Event]) -> None:
        for event in events:
            said.put(event)

    decoder = Decoder(
        runtime,
        end_tokens=frozenset(),
        max_queue=8,
        deliver=deliver,
        kept=4,
    )
    decoder.start()

    def ask(prompt: list[int], **more: Any) -> Job:
        wanted = {"max_tokens": 20, "sampler": Sampler(), "owner": OWNER, **more}
        job = Job(ids=np.array(prompt), on_event=lambda _: None, **wanted)
        decoder.submit(job)
        while said.get(timeout=20).finish is None:
            pass
        return job

    yield runtime, ask
    decoder.stop(5)


@pytest.mark.parametrize("tail", [[], [65], [65] * 7])
def test_to_the_bit(engine: tuple[Watched, Ask], tail: list[int]) -> None:
    runtime, ask = engine
    ask(PROMPT + tail, owner=None)
    fresh = np.concatenate(runtime.logits[-21:])  # the prompt's last chunk, then each step
    ask(PROMPT)
    runtime.logits.clear()
    runtime.read = 0
    job = ask(PROMPT + tail)
    assert job.cached == 2 * PREFILL_CHUNK
    assert runtime.read == len(PROMPT) + len(tail) - job.cached
    assert np.array_equal(np.concatenate(runtime.logits), fresh[-len(runtime.logits) :])


def test_a_prompt_of_whole_chunks_is_read_in_part(engine: tuple[Watched, Ask]) -> None:
    _, ask = engine
    prompt = PROMPT[: 2 * PREFILL_CHUNK]
    assert [ask(prompt).cached for _ in range(2)] == [0, PREFILL_CHUNK]  # its end gives the logits


def test_another_tenant_reads_it_all(engine: tuple[Watched, Ask]) -> None:
    _, ask = engine
    ask(PROMPT)
    for owner in (("bank", ""), ("clinic", "salt"), None):
        assert ask(PROMPT, owner=owner).cached == 0
    assert ask(PROMPT).cached == 2 * PREFILL_CHUNK
