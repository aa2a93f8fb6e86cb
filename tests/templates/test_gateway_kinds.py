"""Real engines of both kinds behind a real nginx: a key, a served name, and an answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from engines import build, sign
from landfall import process
from tests.engines import tiny
from tests.loopback import free_port
from tests.templates.gateway_under_test import KEYS, Gateway, gateway

pytestmark = [pytest.mark.services, pytest.mark.slow]

MAKE = {"tiny-encoder": (tiny.encoder, tiny.ENCODER), "tiny-graph": (tiny.graph, tiny.GRAPH)}


@contextmanager
def served(name: str, folder: Path, change: Callable[[Path], None] | None = None) -> Iterator[int]:
    """An engine, built, signed and served; its port. `change` is done to its model before."""
    make, spec = MAKE[name]
    model = make(folder / "model")
    if change is not None:
        change(model)
    engine = build.run(tiny.planned(model, spec), model, folder / "engine")
    private, public = sign.generate_keys(folder / "keys")
    sign.sign(engine, folder / "engine.sig", private)
    port = free_port()
    words: list[str | Path] = [sys.executable, "-m", "engines.serve", "--engine", engine]
    words += ["--signature", folder / "engine.sig", "--public-key", public]
    daemon = process.spawn(
        [*words, "--name", name, "--port", str(port)],
        name=name,
        record=folder / "server.json",
        log=folder / "server.log",
    )
    try:
        yield port
    finally:
        daemon.stop()


def post(door: Gateway, path: str, body: object) -> tuple[int, Any]:
    content = json.dumps(body).encode()
    head = [
        f"POST {path} HTTP/1.1", "Host: site", "Connection: close",
        f"Authorization: Bearer {KEYS['clinic']}", "Content-Type: application/json",
        f"Content-Length: {len(content)}", "", "",
    ]  # fmt: skip
    answer = door.send("\r\n".join(head).encode() + content)
    return int(answer.split(b" ", 2)[1]), json.loads(answer.partition(b"\r\n\r\n")[2])


def test_real_engines_answer_through_the_gateway(tmp_path: Path) -> None:
    row = [0.5] * tiny.WIDTH
    given = {"name": "x", "shape": [1, tiny.WIDTH], "datatype": "FP32", "data": row}
    question = {"model": "tiny-encoder", "input": "A text."}
    with ExitStack() as stack:
        ports = {name: stack.enter_context(served(name, tmp_path / name)) for name in MAKE}
        routes = [
            {"name": name, "upstreams": [{"key": each * 64, "port": ports[name], "share": 100}]}
            for each, name in zip("12", MAKE, strict=True)
        ]
        door = gateway(tmp_path, [], None, gateway_routes=routes)
        stack.enter_context(door.running())
        ready = "/tiny-graph/v2/health/ready", "/tiny-encoder/v1/embeddings"
        assert process.wait_until(
            lambda: [post(door, path, question)[0] for path in ready] == [405, 200], timeout_s=60
        )
        code, embedded = post(door, "/tiny-encoder/v1/embeddings", question)
        assert (code, len(embedded["data"][0]["embedding"])) == (200, tiny.WIDTH)
        code, inferred = post(door, "/v2/models/tiny-graph/infer", {"inputs": [given]})
        assert (code, inferred["model_name"]) == (200, "tiny-graph")
        assert [each["shape"] for each in inferred["outputs"]] == [[1, 4], [1]]
        # An engine refuses what is not of its kind, and the gateway says what the engine says.
        assert post(door, "/tiny-graph/v1/embeddings", question)[0] == 404
        assert post(door, "/v2/models/tiny-encoder/infer", {"inputs": [given]})[0] == 404
