"""One request for text and its answer, whole or as a stream: queued, written, counted, logged."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from engines.serve.answer import Answer, Broken, Piece
from engines.serve.logs import log
from engines.serve.requests import (
    BadRequest,
    CommonBody,
    Generation,
    generation,
    parse,
    prompt_ids,
)
from engines.serve.service import Service
from engines.serve.shapes import Shape
from engines.serve.wire import CLIENT_GONE, read_body, trace, unless_gone

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Nothing on the way may collect the pieces of an answer."""

TENANT = "x-landfall-tenant"
"""Set by the gateway, which passes no header of a client's on."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One request and its answer, for the log and the metrics."""

    service: Service
    shape: Shape
    id: str
    trace: str
    answer: Answer
    request: Generation
    started: float
    status: int = CLIENT_GONE
    error: str = str(CLIENT_GONE)
    ended: bool = False

    def succeed(self) -> None:
        self.status, self.error = 200, ""

    def fail(self) -> None:
        finish = self.answer.finish
        self.status, self.error = 500, finish.value if finish else "failed"

    def finish(self) -> None:
        """Free the row, count and log; the second time does nothing."""
        if self.ended:
            return
        self.ended = True
        seconds = time.perf_counter() - self.started
        self.service.running -= 1
        self.answer.__exit__()
        self.service.metrics.request(self.shape.operation, seconds, self.error)
        log(
            id=self.id,
            trace=self.trace,
            operation=self.shape.operation,
            status=self.status,
            finish=self.answer.finish.value if self.answer.finish else None,
            prompt_tokens=self.answer.prompt_tokens,
            cached_tokens=self.answer.cached,
            completion_tokens=self.answer.tokens,
            first_token_s=_rounded(self.answer.first_token_s),
            duration_s=_rounded(seconds),
        )


def generate(service: Service, kind: type[CommonBody], shape: Shape) -> Handler:
    """What answers requests of one kind with text."""

    async def handle(request: Request) -> Response:
        started = time.perf_counter()
        try:
            wanted = await _wanted(request, service, kind)
            tenant = request.headers.get(TENANT, "")
            answer = service.answer(wanted, shape.operation, tenant)
            service.admit(answer)
        except BadRequest as error:
            seconds = time.perf_counter() - started
            service.metrics.request(shape.operation, seconds, str(error.status))
            raise
        service.running += 1
        exchange = _Exchange(
            service=service,
            shape=shape,
            id=f"{shape.prefix}-{uuid.uuid4().hex}",
            trace=trace(request),
            answer=answer,
            request=wanted,
            started=started,
        )
        if wanted.stream:
            return _EventStream(exchange)
        return await _whole(exchange, request)

    return handle


async def _wanted(request: Request, service: Service, kind: type[CommonBody]) -> Generation:
    content = await read_body(request, service.limits.max_body, service.limits.body_s)
    body = parse(kind, content, served=service.name)
    loaded = service.loaded
    ids = prompt_ids(body, loaded.tokenizer, loaded.template, loaded.runtime.vocabulary)
    return generation(
        body,
        ids,
        loaded.defaults,
        room=loaded.runtime.room,
        longest=service.limits.max_new_tokens,
    )


async def _whole(exchange: _Exchange, request: Request) -> Response:
    """The answer in one piece, unless the client leaves first."""

    async def collect() -> list[Piece]:
        return [piece async for pieces in exchange.answer.pieces() for piece in pieces]

    try:
        pieces = await unless_gone(collect(), request.receive)
        exchange.succeed()
    except Broken as error:
        exchange.fail()
        raise BadRequest(str(error), status=500, kind="server_error") from None
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    finally:
        exchange.finish()
    service, shape = exchange.service, exchange.shape
    tokenizer = service.loaded.tokenizer
    return JSONResponse(shape.whole(exchange.id, service.name, pieces, exchange.answer, tokenizer))


class _EventStream(Response):
    """The answer as server-sent events. However it ends, the row is freed."""

    media_type = "text/event-stream"

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__(headers=STREAM_HEADERS)
        del self.headers["content-length"]
        self._exchange = exchange

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        try:
            with contextlib.suppress(ClientDisconnect):
                await unless_gone(self._write(send), receive)
        finally:
            self._exchange.finish()

    async def _write(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for event in _events(self._exchange):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _events(exchange: _Exchange) -> AsyncIterator[bytes]:
    service, shape, answer = exchange.service, exchange.shape, exchange.answer
    with_usage = exchange.request.include_usage
    write = shape.writer(exchange.id, service.name, service.loaded.tokenizer, with_usage=with_usage)
    try:
        opening = write.opening()
        if opening:
            yield opening
        async for pieces in answer.pieces():
            yield b"".join(write.piece(piece) for piece in pieces)
        assert answer.finish is not None  # pieces() ends with it
        yield write.finish(answer.finish.value)
        if with_usage:
            yield write.usage(answer.usage())
        yield b"data: [DONE]\n\n"
        exchange.succeed()
    except Broken as error:
        # The status line is out; an answer without [DONE] is not whole, and this says why.
        exchange.fail()
        body = {"message": str(error), "type": "server_error"}
        yield b"data: " + json.dumps({"error": body}).encode() + b"\n\n"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
