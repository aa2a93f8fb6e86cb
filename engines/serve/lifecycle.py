"""When a server takes requests: not before it is warm, nor while it is stopped or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from engines.serve.requests import BadRequest

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
    max_new_tokens: int = 1
    max_body: int = 1 << 20
    body_s: float = 30.0
    drain_s: float = 30.0
    hung_after_s: float = HUNG_AFTER_S
    stalled_after_s: float = STALLED_AFTER_S


@dataclass(slots=True, kw_only=True)
class Lifecycle:
    """The state of a server, and what it means for those who ask.

    Attributes:
        limits: how patient it is.
        silence_s: how long ago the thread that does the work showed that it lives, in seconds.
        failure: why it cannot go on, or nothing.
        warm: whether it has answered once.
        draining: whether it takes nothing new.
        running: requests that are being answered.
    """

    limits: Limits
    silence_s: Callable[[], float]
    failure: str = ""
    warm: bool = False
    draining: bool = False
    running: int = 0

    def not_live(self) -> str:
        """Why the server should be restarted, or nothing."""
        if self.failure:
            return f"the engine failed: {self.failure}"
        return self._silent(self.limits.hung_after_s)

    def not_ready(self) -> str:
        """Why no request should be sent here, or nothing."""
        if not self.warm:
            return "nothing has been answered yet"
        if self.draining:
            return "the server is being stopped"
        return self.not_live() or self._silent(self.limits.stalled_after_s)

    def admit(self) -> None:
        """Refuse a request while the server is being stopped.

        Raises:
            BadRequest: it is; says when to try again.
        """
        if self.draining:
            raise unavailable("the server is being stopped", close=True)

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

    def _silent(self, patience_s: float) -> str:
        silence = self.silence_s()
        if silence <= patience_s:
            return ""
        return f"the engine has not taken a step for {silence:.0f} s"


def unavailable(message: str, *, close: bool = False) -> BadRequest:
    """The answer of a server that cannot answer now."""
    headers = {"retry-after": str(RETRY_AFTER_S), **({"connection": "close"} if close else {})}
    return BadRequest(message, status=503, code="unavailable", kind="server_error", headers=headers)


def too_many(waiting: int) -> BadRequest:
    """The answer of a server that has enough to do."""
    return BadRequest(
        f"{waiting} requests wait already",
        status=429,
        code="rate_limit_exceeded",
        kind="rate_limit_error",
        headers={"retry-after": str(RETRY_AFTER_S)},
    )
