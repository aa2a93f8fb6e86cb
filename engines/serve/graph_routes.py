"""What clients may ask of a graph: OpenAI's embeddings, or the Open Inference Protocol 2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from engines.serve import inference
from engines.serve.embedding import Embedder, EmbeddingBody, shaped
from engines.serve.graphs import Call, GraphService
from engines.serve.inference import InferBody
from engines.serve.requests import BadRequest, check_model, validated

Handler = Callable[[Request], Awaitable[Response]]


def routes(service: GraphService) -> list[Route]:
    """What clients may ask of a graph."""
    if service.embedder is not None:
        return [Route("/v1/embeddings", _embeddings(service, service.embedder), methods=["POST"])]
    base = "/v2/models/{name}"
    return [
        Route("/v2", _server(service)),
        Route("/v2/health/live", _health("live", service.not_live)),
        Route("/v2/health/ready", _health("ready", service.not_ready)),
        *(
            Route(f"{prefix}{end}", _told(_checked(service, handler)), methods=[method])
            for prefix in (base, base + "/versions/{version}")
            for end, handler, method in (
                ("/infer", _infer(service), "POST"),
                ("/ready", _model_ready(service), "GET"),
                ("", _metadata(service), "GET"),
            )
        ),
    ]


def _embeddings(service: GraphService, embedder: Embedder) -> Handler:
    def prepare(content: bytes) -> tuple[Call, int | None]:
        body = validated(EmbeddingBody, content)
        check_model(body.model, service.name)
        texts = embedder.read(body)
        tokens = sum(map(len, texts))
        return lambda: shaped(embedder.embed(texts, body.dimensions), tokens, body), tokens

    async def handle(request: Request) -> Response:
        return await service.answer("embeddings", request, prepare)

    return handle


def _told(handler: Handler) -> Handler:
    """`handler`, with errors in the protocol's own form."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except BadRequest as error:
            body = {"error": str(error)}
            return JSONResponse(body, status_code=error.status, headers=error.headers)

    return handle


def _checked(service: GraphService, handler: Handler) -> Handler:
    """`handler`, for the model and version that are served only."""

    async def handle(request: Request) -> Response:
        check_model(request.path_params["name"], service.name)
        version = request.path_params.get("version")
        if version not in {None, service.about.materials.version}:
            raise BadRequest(f"version {version!r} is not served here", status=404)
        return await handler(request)

    return handle


def _infer(service: GraphService) -> Handler:
    version = service.about.materials.version

    def prepare(content: bytes) -> tuple[Call, int | None]:
        body = validated(InferBody, content)
        inputs = inference.arrays(body, service.graph)

        def call() -> dict[str, object]:
            return inference.answer(
                body, service.graph, inputs, model=service.name, version=version
            )

        return call, None

    async def handle(request: Request) -> Response:
        return await service.answer("infer", request, prepare)

    return handle


def _metadata(service: GraphService) -> Handler:
    async def handle(_: Request) -> Response:
        graph = service.graph
        return JSONResponse(
            {
                "name": service.name,
                "versions": [service.about.materials.version],
                "platform": "onnxruntime_onnx",
                "inputs": [inference.described(each) for each in graph.inputs],
                "outputs": [inference.described(each) for each in graph.outputs],
            }
        )

    return handle


def _model_ready(service: GraphService) -> Handler:
    async def handle(_: Request) -> Response:
        ready = not service.not_ready()
        return JSONResponse({"name": service.name, "ready": ready}, 200 if ready else 503)

    return handle


def _health(word: str, why_not: Callable[[], str]) -> Handler:
    async def handle(_: Request) -> Response:
        good = not why_not()
        return JSONResponse({word: good}, 200 if good else 503)

    return handle


def _server(service: GraphService) -> Handler:
    about = service.about

    async def handle(_: Request) -> Response:
        return JSONResponse({"name": "landfall", "version": about.key[:12], "extensions": []})

    return handle
