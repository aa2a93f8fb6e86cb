"""From a start to the first answer, and from then on whether tokens are still made."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from landfall.errors import Unreachable

TICK_S = 0.25
"""How often the supervisor looks up; nothing here needs to be faster."""


class Asked(Protocol):
    """What is asked of the server; `engines.supervise.probe` for one that is told."""

    def well(self) -> bool:
        """Whether it says that it is well."""
        ...

    def token(self, patience_s: float) -> None:
        """Have one token made; raises Unreachable where it was not."""
        ...

    def generated(self) -> float | None:
        """How many tokens it has made; None where it does not tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """In seconds: for the first token, between two questions, and for one that is not answered."""

    warm_s: float
    every_s: float
    hung_after_s: float


@dataclass(slots=True)
class _Attempt:
    """One question, asked beside the loop: a server that hangs must not hang its supervisor."""

    started: float
    done: threading.Event = field(default_factory=threading.Event)
    wrong: str = ""


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks after one server.

    Attributes:
        server: that is asked.
        patience: with it.
        ended: why it is gone, or nothing.
        stopped: whether somebody wants it to end.
        alive: called at every look, while all is well.
        clock: seconds that only go forward.
        sleep: until the next look.
    """

    server: Asked
    patience: Patience
    ended: Callable[[], str]
    stopped: Callable[[], bool]
    alive: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def warm(self) -> str:
        """Wait for the first token; why there will be none, or nothing."""
        began = self.clock()
        last = "it does not say that it is well"
        attempt: _Attempt | None = None
        while not self.stopped():
            if ended := self.ended():
                return ended
            now = self.clock()
            if now - began > self.patience.warm_s:
                return f"no token within {self.patience.warm_s:.0f} s of its start: {last}"
            if attempt is None and self.server.well():
                attempt = self._ask(now)
            if attempt is not None and attempt.done.is_set():
                if not attempt.wrong:
                    return ""
                last, attempt = attempt.wrong, None
            self.sleep(TICK_S)
        return ""

    def serve(self) -> str:
        """Ask for a token again and again; why it must be started anew, or nothing when stopped.

        A question that waits behind many others is no sign of a hang where the server tells that
        tokens are made.
        """
        heard, counted = self.clock(), self.server.generated()
        attempt: _Attempt | None = None
        last = "it takes the question and does not answer"
        while not self.stopped():
            if ended := self.ended():
                return ended
            now = self.clock()
            if attempt is None or (attempt.done.is_set() and self._due(attempt, now)):
                attempt = self._ask(now)
            if attempt.done.is_set() and attempt.wrong:
                last = attempt.wrong
            elif attempt.done.is_set():
                heard = now
            if now - heard > self.patience.hung_after_s:
                count = self.server.generated()
                if count is None or count == counted:
                    return self._hung(last)
                heard, counted = now, count
            self.alive()
            self.sleep(TICK_S)
        return ""

    def _due(self, attempt: _Attempt, now: float) -> bool:
        return now - attempt.started >= self.patience.every_s

    def _hung(self, last: str) -> str:
        says = "says that it is well" if self.server.well() else "does not say that it is well"
        return f"no token for {self.patience.hung_after_s:.0f} s; it {says}: {last}"

    def _ask(self, now: float) -> _Attempt:
        attempt = _Attempt(now)

        def ask() -> None:
            try:
                self.server.token(self.patience.hung_after_s)
            except Unreachable as error:
                attempt.wrong = str(error)
            except Exception as error:  # whatever it was, no token came
                attempt.wrong = f"{type(error).__name__}: {error}"
            attempt.done.set()

        threading.Thread(target=ask, daemon=True).start()
        return attempt
