"""Send what a schedule says, when it says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engines.load.ask import Answer
from engines.load.outcome import Outcome

MOST = 512
"""Requests at a time. One more is counted as `not sent`: to wait would excuse the server."""

PATIENCE_S = 180.0
"""How long the last answers may take after the last request was sent."""

Asks = Callable[[str], Answer]


@dataclass(slots=True, kw_only=True)
class Run:
    """A load test in progress, in threads of its own.

    Attributes:
        ask: sends one prompt and returns its answer.
        arrivals: seconds from the start.
        prompts: taken in turn.
    """

    ask: Asks
    arrivals: Iterable[float]
    prompts: Sequence[str]
    _outcomes: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: set[threading.Thread] = field(default_factory=set)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _sender: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def stop(self) -> list[Outcome]:
        """Send no more, wait for what is under way, and return everything."""
        self._stopped.set()
        return self.wait()

    def wait(self) -> list[Outcome]:
        """Wait until all has been sent and answered, and return everything."""
        assert self._sender is not None  # start() made it
        self._sender.join()
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._under_way():
            thread.join(max(deadline - time.monotonic(), 0.0))
        return self.outcomes()

    def outcomes(self) -> list[Outcome]:
        """What has ended so far, in the order in which it was due."""
        with self._lock:
            return sorted(self._outcomes, key=lambda each: each.due)

    def _under_way(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._running)

    def _send(self) -> None:
        began = time.perf_counter()
        for number, due in enumerate(self.arrivals):
            if self._stopped.wait(max(began + due - time.perf_counter(), 0.0)):
                return
            if len(self._under_way()) >= MOST:
                self._keep(Outcome(due=due, sent=due, first=None, ended=0.0, tokens=0,
                                   error="not sent"))  # fmt: skip
                continue
            prompt = self.prompts[number % len(self.prompts)]
            thread = threading.Thread(target=self._one, args=(began, due, prompt), daemon=True)
            with self._lock:
                self._running.add(thread)
            thread.start()

    def _one(self, began: float, due: float, prompt: str) -> None:
        sent = time.perf_counter() - began
        answer = self.ask(prompt)
        start = began + due
        self._keep(
            Outcome(
                due=due,
                sent=sent,
                first=None if answer.first is None else answer.first - start,
                ended=answer.ended - start,
                tokens=answer.tokens,
                error=answer.error,
            )
        )
        with self._lock:
            self._running.discard(threading.current_thread())

    def _keep(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)


def run(ask: Asks, arrivals: Iterable[float], prompts: Sequence[str]) -> list[Outcome]:
    """Send everything, and return what became of it."""
    found = Run(ask=ask, arrivals=arrivals, prompts=prompts)
    found.start()
    return found.wait()
