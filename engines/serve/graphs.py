"""A graph without a cache that is being served: embeddings, or any arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from engines.graph import Graph, blank
from engines.manifest import Predicate
from engines.serve.answer import Broken
from engines.serve.embedding import Embedder
from engines.serve.job import Full, Stopped
from engines.serve.lifecycle import Lifecycle, Limits, too_many
from engines.serve.logs import log
from engines.serve.metrics import Metrics
from engines.serve.requests import BadRequest
from engines.serve.wire import CLIENT_GONE, read_body, trace
from engines.serve.worker import Worker

Call = Callable[[], dict[str, object]]
Prepare = Callable[[bytes], tuple[Call, int | None]]
"""From a body to the work, and the tokens that it reads where there are tokens."""


@dataclass(eq=False, slots=True)
class GraphService:
    """One graph that is being served; `embedder` where it embeds."""

    name: str
    about: Predicate
    graph: Graph
    limits: Limits
    embedder: Embedder | None = None
    metrics: Metrics = field(init=False)
    worker: Worker = field(init=False)
    life: Lifecycle = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.name, self.about)
        self.worker = Worker(max_queue=self.limits.max_queue)
        self.life = Lifecycle(limits=self.limits, silence_s=self.worker.silence_s)
        for name, text, read in (
            ("active_slots", "Requests that are being answered.", lambda: self.worker.active),
            ("queue_depth", "Requests that wait.", lambda: self.worker.waiting),
            ("ready", "1 when ready.", lambda: not self.not_ready()),
        ):
            self.metrics.watch(f"landfall_{name}", text, read)

    async def start(self) -> None:
        """Run the graph once: only then it is ready.

        Raises:
            Broken: it cannot; `not_live` says why.
        """
        try:
            await self.worker.run(self._first)
        except (ValueError, BadRequest) as error:
            self.life.failure = f"the first answer failed: {error}"
            raise Broken(self.life.failure) from error
        self.life.warm = True

    async def answer(self, operation: str, request: Request, prepare: Prepare) -> Response:
        """Answer one request, counted and logged."""
        started = time.perf_counter()
        error, read = "500", None
        self.life.running += 1
        try:
            self.life.admit()
            content = await read_body(request, self.limits.max_body, self.limits.body_s)
            call, read = prepare(content)
            response = JSONResponse(await self._run(call))
            error = ""
            return response
        except BadRequest as refusal:
            error = str(refusal.status)
            raise
        except ClientDisconnect:
            error = str(CLIENT_GONE)
            raise
        finally:
            self.life.running -= 1
            seconds = time.perf_counter() - started
            self.metrics.request(operation, seconds, error)
            if read is not None and not error:
                self.metrics.tokens(operation, read=read)
            status = int(error or 200)
            log(trace=trace(request), operation=operation, status=status, prompt_tokens=read,
                duration_s=round(seconds, 6))  # fmt: skip

    def not_live(self) -> str:
        """Why the server should be restarted, or nothing."""
        return self.life.not_live()

    def not_ready(self) -> str:
        """Why no request should be sent here, or nothing."""
        return self.life.not_ready()

    def abandon(self) -> None:
        """Tell all who wait that the engine failed: its thread hangs, and will not."""
        self.worker.abandon()

    def stop(self) -> None:
        """Make no more calls."""
        self.worker.stop()

    async def _run(self, call: Call) -> dict[str, object]:
        try:
            return await self.worker.run(call)
        except Full:
            raise too_many(self.limits.max_queue) from None
        except Stopped:
            raise BadRequest(
                "the engine stopped before the answer was whole", status=500, kind="server_error"
            ) from None

    def _first(self) -> None:
        if self.embedder is not None:
            self.embedder.embed([[0, 0]], None)
        else:
            inputs = {each.name: blank(each) for each in self.graph.inputs}
            self.graph.run(inputs, [each.name for each in self.graph.outputs])
