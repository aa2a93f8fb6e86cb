"""One thread that runs a graph: calls in order, a bound on those that wait, a sign of life."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from engines.serve.job import Full, Stopped

Result = TypeVar("Result")


class Worker:
    """Calls are made one after the other, in a thread of their own."""

    def __init__(self, *, max_queue: int) -> None:
        self._max_queue = max_queue
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graph")
        self._began: float | None = None
        self._stopped = False
        self._futures: set[asyncio.Future[Any]] = set()

    @property
    def active(self) -> int:
        """Whether a call is being made, as a number."""
        return int(self._began is not None)

    @property
    def waiting(self) -> int:
        """Calls that wait for the thread."""
        return max(len(self._futures) - self.active, 0)

    def silence_s(self) -> float:
        """How long the running call has taken so far, in seconds."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    async def run(self, call: Callable[[], Result]) -> Result:
        """What `call` returns. A caller that leaves does not stop a call that was begun.

        Raises:
            Full: as many wait as may.
            Stopped: the worker was stopped, or is given up while the call is made.
        """
        if self._stopped:
            raise Stopped
        if len(self._futures) > self._max_queue:
            raise Full
        future = asyncio.wrap_future(self._thread.submit(self._timed, call))
        self._futures.add(future)
        try:
            return await future
        except asyncio.CancelledError:
            if self._stopped:
                raise Stopped from None
            raise
        finally:
            self._futures.discard(future)

    def abandon(self) -> None:
        """End the wait of everybody: the thread hangs, and will not."""
        self._stopped = True
        for future in list(self._futures):
            future.cancel()

    def stop(self) -> None:
        """Make no more calls."""
        self._stopped = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _timed(self, call: Callable[[], Result]) -> Result:
        self._began = time.monotonic()
        try:
            return call()
        finally:
            self._began = None
