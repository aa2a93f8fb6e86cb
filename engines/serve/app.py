"""The routes: OpenAI's completions and chat completions, models, health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from engines.serve import metrics
from engines.serve.answer import Answer, Broken
from engines.serve.logs import log
from engines.serve.requests import (
    BadRequest,
    ChatBody,
    CommonBody,
    CompletionBody,
    Generation,
    generation,
    parse,
    prompt_ids,
)
from engines.serve.service import Service
from engines.serve.shapes import CHAT, COMPLETION, Shape

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
"""Nothing on the way may collect the pieces of an answer."""

CLIENT_GONE = 499
"""NGINX's code for a client that left; only for the log and the metrics."""

TRACE = re.compile("00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C traceparent."""

Result = TypeVar("Result")
Handler = Callable[[Request], Awaitable[Response]]


def create(service: Service) -> Starlette:
    """The web application of one served engine."""
    routes = [
        Route("/v1/completions", _generate(service, CompletionBody, COMPLETION), methods=["POST"]),
        Route("/v1/chat/completions", _generate(service, ChatBody, CHAT), methods=["POST"]),
        Route("/v1/models", _models(service)),
        Route("/v1/models/{name}", _model(service)),
        Route("/health/live", _health(service.not_live)),
        Route("/health/ready", _health(service.not_ready)),
        Route("/metrics", _metrics(service)),
    ]
    handlers = {BadRequest: _refuse, HTTPException: _refuse_http, Exception: _fail}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


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
    error: str = "disconnected"
    ended: bool = False

    def succeed(self) -> None:
        self.status, self.error = 200, ""

    def fail(self) -> None:
        self.status, self.error = 500, "engine"

    def finish(self) -> None:
        """Free the row, count and log; the second time does nothing."""
        if self.ended:
            return
        self.ended = True
        seconds = time.perf_counter() - self.started
        self.service.running -= 1
        self.answer.__exit__()
        self.service.metrics.request(self.shape.operation, self.status, seconds, self.error)
        log(
            id=self.id,
            trace=self.trace,
            operation=self.shape.operation,
            status=self.status,
            finish=self.answer.finish.value if self.answer.finish else None,
            prompt_tokens=self.answer.prompt_tokens,
            completion_tokens=self.answer.tokens,
            first_token_s=_rounded(self.answer.first_token_s),
            duration_s=_rounded(seconds),
        )


def _generate(service: Service, kind: type[CommonBody], shape: Shape) -> Handler:
    async def handle(request: Request) -> Response:
        started = time.perf_counter()
        try:
            wanted = await _wanted(request, service, kind)
            answer = service.answer(wanted, shape.operation)
            service.admit(answer)
        except BadRequest as error:
            seconds = time.perf_counter() - started
            service.metrics.request(shape.operation, error.status, seconds, str(error.status))
            raise
        service.running += 1
        exchange = _Exchange(
            service=service,
            shape=shape,
            id=f"{shape.prefix}-{uuid.uuid4().hex}",
            trace=_trace(request),
            answer=answer,
            request=wanted,
            started=started,
        )
        if wanted.stream:
            return _EventStream(exchange)
        return await _whole(exchange, request)

    return handle


async def _wanted(request: Request, service: Service, kind: type[CommonBody]) -> Generation:
    content = await _read(request, service.limits.max_body, service.limits.body_s)
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


async def _read(request: Request, limit: int, seconds: float) -> bytes:
    """The body, which may neither be too large nor come too slowly."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise BadRequest(
                        f"the body may have {limit} bytes",
                        status=413,
                        headers={"connection": "close"},
                    )
                parts.append(part)
    except TimeoutError:
        raise BadRequest("the body came too slowly", status=408) from None
    return b"".join(parts)


async def _whole(exchange: _Exchange, request: Request) -> Response:
    """The answer in one piece, unless the client leaves first."""

    async def collect() -> str:
        return "".join([piece async for piece in exchange.answer.pieces()])

    try:
        text = await _unless_gone(collect(), request.receive)
        exchange.succeed()
    except Broken:
        exchange.fail()
        raise BadRequest(
            "the engine stopped before the answer was whole", status=500, kind="server_error"
        ) from None
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    finally:
        exchange.finish()
    shape, name = exchange.shape, exchange.service.name
    return JSONResponse(shape.whole(exchange.id, name, text, exchange.answer))


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
                await _unless_gone(self._write(send), receive)
        finally:
            self._exchange.finish()

    async def _write(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for event in _events(self._exchange):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _unless_gone(work: Coroutine[Any, Any, Result], receive: Receive) -> Result:
    """What `work` returns.

    Raises:
        ClientDisconnect: the client left before; the work has been cancelled.
    """

    async def leave() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    doing, gone = asyncio.create_task(work), asyncio.create_task(leave())
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()


async def _events(exchange: _Exchange) -> AsyncIterator[bytes]:
    shape, answer = exchange.shape, exchange.answer
    with_usage = exchange.request.include_usage
    write = shape.writer(exchange.id, exchange.service.name, with_usage=with_usage)
    try:
        opening = write.opening()
        if opening:
            yield opening
        async for piece in answer.pieces():
            yield write.piece(piece)
        assert answer.finish is not None  # pieces() ends with it
        yield write.finish(answer.finish.value)
        if with_usage:
            yield write.usage(answer.usage())
        yield b"data: [DONE]\n\n"
        exchange.succeed()
    except Broken:
        # The status line is out; an answer without [DONE] is not whole, and this says why.
        exchange.fail()
        body = {"message": "the engine stopped before the answer was whole", "type": "server_error"}
        yield b"data: " + json.dumps({"error": body}).encode() + b"\n\n"


def _models(service: Service) -> Handler:
    async def handle(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_described(service)]})

    return handle


def _model(service: Service) -> Handler:
    async def handle(request: Request) -> Response:
        name = request.path_params["name"]
        if name != service.name:
            raise BadRequest(
                f"the model {name!r} is not served here", status=404, code="model_not_found"
            )
        return JSONResponse(_described(service))

    return handle


def _described(service: Service) -> dict[str, object]:
    about = service.loaded.about
    return {
        "id": service.name,
        "object": "model",
        "created": int(about.built.timestamp()),
        "owned_by": "landfall",
        "max_model_len": about.room,
        "engine": about.key,
    }


def _health(why_not: Callable[[], str]) -> Handler:
    async def handle(_: Request) -> Response:
        reason = why_not()
        status = {"status": "no", "reason": reason} if reason else {"status": "ok"}
        return JSONResponse(status, status_code=503 if reason else 200)

    return handle


def _metrics(service: Service) -> Handler:
    async def handle(_: Request) -> Response:
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)

    return handle


async def _refuse(_: Request, error: BadRequest) -> Response:
    return JSONResponse({"error": error.body}, status_code=error.status, headers=error.headers)


async def _refuse_http(_: Request, error: HTTPException) -> Response:
    body = {"message": error.detail, "type": "invalid_request_error", "param": None, "code": None}
    return JSONResponse({"error": body}, status_code=error.status_code, headers=error.headers)


async def _fail(_: Request, error: Exception) -> Response:
    # The class only: a message may quote what the client sent.
    log(error=type(error).__name__)
    body = {"message": "something failed here", "type": "server_error", "param": None, "code": None}
    return JSONResponse({"error": body}, status_code=500)


def _trace(request: Request) -> str:
    match = TRACE.fullmatch(request.headers.get("traceparent", ""))
    return match[1] if match else ""


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
