"""Open loop: what the server does moves nothing, and every wait counts."""

from __future__ import annotations

import threading
import time

from engines.load import run as runs
from engines.load.ask import Answer
from engines.load.run import Run, run
from landfall import process


def answer() -> Answer:
    now = time.perf_counter()
    return Answer(text="x", tokens=1, first=now, ended=now)


def test_a_slow_server_does_not_slow_the_load() -> None:
    """Nobody is answered before all have asked: a closed loop would never get there."""
    together = threading.Barrier(4, timeout=10)

    def slow(_: str) -> Answer:
        together.wait()
        return answer()

    found = run(slow, [0.0, 0.01, 0.02, 0.03], ["a"])
    assert [each.due for each in found] == [0.0, 0.01, 0.02, 0.03]
    assert [each.error for each in found] == [""] * 4


def test_times_count_from_when_a_request_was_due() -> None:
    """Everything was due long ago: the wait is the server's (or ours), never nobody's."""
    [found] = run(lambda _: answer(), [-5.0], ["a"])
    assert found.ended >= 5.0
    assert found.first is not None
    assert found.first >= 5.0
    assert found.sent >= 0.0


def test_prompts_are_taken_in_turn() -> None:
    asked: list[str] = []

    def note(prompt: str) -> Answer:
        asked.append(prompt)
        return answer()

    run(note, [0.0, 0.02, 0.04], ["a", "b"])
    assert asked == ["a", "b", "a"]


def test_what_cannot_be_sent_is_counted(monkeypatch: object) -> None:
    monkeypatch.setattr(runs, "MOST", 1)  # type: ignore[attr-defined]

    release = threading.Event()

    def slow(_: str) -> Answer:
        release.wait(10)
        return answer()

    going = Run(ask=slow, arrivals=[0.0, 0.01, 0.02], prompts=["a"])
    going.start()
    assert process.wait_until(lambda: len(going.outcomes()) == 2, timeout_s=10)
    release.set()
    assert [each.error for each in going.wait()] == ["", "not sent", "not sent"]


def test_a_stopped_load_sends_no_more_and_loses_nothing() -> None:
    going = Run(ask=lambda _: answer(), arrivals=(n / 100 for n in range(10_000)), prompts=["a"])
    going.start()
    time.sleep(0.1)
    found = going.stop()
    assert 0 < len(found) < 1000
    assert not [each for each in found if each.error]
