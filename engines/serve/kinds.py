"""Kinds of engines: what opens each, and what clients may ask of it."""

from __future__ import annotations

from starlette.routing import Route

from engines.backends import onnxruntime
from engines.encoder import Encoder, words
from engines.serve import exchange, graph_routes
from engines.serve.embedding import Embedder
from engines.serve.graphs import GraphService
from engines.serve.lifecycle import Limits
from engines.serve.load import Verified, load
from engines.serve.service import Service
from landfall.errors import IntegrityError, Refused

TEXT, EMBEDDING, GRAPH = "text_generation", "embedding", "onnx_graph"


def open_engine(
    name: str,
    engine: Verified,
    limits: Limits,
    *,
    threads: int,
    slots: int | None,
    kept: int,
) -> Service | GraphService:
    """Load an engine of any kind, to be served as `name`.

    Raises:
        IntegrityError: the files are not an engine of its kind.
        Refused: its kind is not known here.
    """
    about = engine.about
    if about.kind == TEXT:
        loaded = load(engine, threads=threads, slots=slots, kept=kept)
        return Service(name, loaded, limits)
    if about.kind not in {EMBEDDING, GRAPH}:
        known = f"{TEXT}, {EMBEDDING}, {GRAPH}"
        raise Refused(f"the engine is of kind {about.kind!r}; known here are {known}")
    if about.backend != onnxruntime.NAME:
        raise IntegrityError(f"{about.backend} serves no engine of kind {about.kind}")
    graph = onnxruntime.open_graph(engine.folder, threads=threads)
    if about.kind == GRAPH:
        return GraphService(name, about, graph, limits)
    tokenizer, vocabulary = words(engine.folder)
    encoder = Encoder(graph, batch=slots or about.slots)
    embedder = Embedder(encoder, tokenizer, vocabulary=vocabulary, room=about.room)
    return GraphService(name, about, graph, limits, embedder)


def routes(service: Service | GraphService) -> list[Route]:
    """What clients may ask of this kind."""
    if isinstance(service, Service):
        return exchange.routes(service)
    return graph_routes.routes(service)
