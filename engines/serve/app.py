"""The routes: those of the engine's kind, and for every kind models, health and metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engines.serve import kinds, metrics
from engines.serve.graphs import GraphService
from engines.serve.logs import log
from engines.serve.requests import BadRequest
from engines.serve.service import Service

Handler = Callable[[Request], Awaitable[Response]]


def create(service: Service | GraphService) -> Starlette:
    """The web application of one served engine."""
    routes = [
        *kinds.routes(service),
        Route("/v1/models", _models(service)),
        Route("/v1/models/{name}", _model(service)),
        Route("/health/live", _health(service.not_live)),
        Route("/health/ready", _health(service.not_ready)),
        Route("/metrics", _metrics(service)),
    ]
    handlers = {BadRequest: _refuse, HTTPException: _refuse_http, Exception: _fail}
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


def _models(service: Service | GraphService) -> Handler:
    async def handle(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [_described(service)]})

    return handle


def _model(service: Service | GraphService) -> Handler:
    async def handle(request: Request) -> Response:
        name = request.path_params["name"]
        if name != service.name:
            raise BadRequest(
                f"the model {name!r} is not served here", status=404, code="model_not_found"
            )
        return JSONResponse(_described(service))

    return handle


def _described(service: Service | GraphService) -> dict[str, object]:
    about = service.about
    return {
        "id": service.name,
        "object": "model",
        "created": int(about.built.timestamp()),
        "owned_by": "landfall",
        "max_model_len": about.room,
        "engine": about.key,
        "kind": about.kind,
    }


def _health(why_not: Callable[[], str]) -> Handler:
    async def handle(_: Request) -> Response:
        reason = why_not()
        status = {"status": "no", "reason": reason} if reason else {"status": "ok"}
        return JSONResponse(status, status_code=503 if reason else 200)

    return handle


def _metrics(service: Service | GraphService) -> Handler:
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
