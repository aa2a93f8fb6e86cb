"""Work that goes on beside other work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def meanwhile(work: Callable[[Callable[[], bool]], T]) -> Iterator[Future[T]]:
    """Do `work` in a thread while the block runs; its result is the block's to ask for.

    `work` gets a function that says whether to stop: it does once the block has failed or was
    interrupted. The block ends only after the work has, so that nothing goes on unseen.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work, stopped.is_set)
        try:
            yield future
        except BaseException:
            stopped.set()
            raise
