"""An engine of random weights, built, signed and served: what the server is measured with."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from engines import build, facts, plan, sign, source
from engines.spec import EngineSpec
from examples.tiny_lm import graph
from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.data import Pair
from examples.tiny_lm.export import Training, export
from landfall import process
from landfall.errors import LandfallError
from landfall.model.classification import Classification

SHAPE = ModelConfig(layers=12, heads=4, width=512, context=512)
"""Some 2 ms per token on a quiet processor, with heads of 128 numbers, as the models of the catalog
have them."""
NAME = "bench"
READY_S = 60.0


def model_folder(folder: Path, config: ModelConfig) -> Path:
    """A model of random weights, with all files that a build reads."""
    zero = Training(
        job_digest="",
        data_digest="",
        parameters=config.parameters,
        steps=0,
        loss=0.0,
        perplexity=0.0,
        answer_perplexity=0.0,
    )
    pair = Pair(
        question="Is this a line to measure on?", answer="Yes, and short: weights are random."
    )
    weights = graph.random_weights(config)
    export(folder, config=config, weights=weights, held_out=(pair,), training=zero)
    # An answer must have its full length, so no token may end it.
    settings = json.dumps({"eos_token_id": [], "temperature": 0.0})
    (folder / source.GENERATION).write_text(settings, encoding="utf-8")
    return folder


def engine(folder: Path, config: ModelConfig, *, tokens: int) -> tuple[Path, Path, Path]:
    """Build and sign the bench engine in `folder`: engine, signature, public key."""
    spec = EngineSpec.model_validate(
        {
            "name": NAME,
            "model": {"name": NAME, "version": "1"},
            "precision": "int8",
            "classification": "public",
            "limits": {
                "max_batch": 1,
                "max_sequence": config.context,
                "max_new_tokens": tokens,
            },
        }
    )
    model = model_folder(folder / "model", config)
    found = source.read(model, name=NAME, version="1", classification=Classification.PUBLIC)
    out = build.run(plan.plan(spec, found, facts.read()), model, folder / "engine")
    private, public = sign.generate_keys(folder / "keys")
    sign.sign(out, folder / "engine.sig", private)
    return out, folder / "engine.sig", public


@contextlib.contextmanager
def serving(
    folder: Path, built: Path, signature: Path, public: Path, *options: str
) -> Iterator[int]:
    """The port of a server of `built`, once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    server = process.spawn(
        [
            *(sys.executable, "-m", "engines.serve", "--engine", built, "--name", NAME),
            *("--signature", signature, "--public-key", public, "--port", str(port)),
            *options,
        ],
        name="bench server",
        record=folder / "server.json",
        log=folder / "server.log",
    )
    try:
        if not process.wait_until(lambda: ready(port), timeout_s=READY_S):
            raise LandfallError(f"the server is not ready after {READY_S:.0f} s\n{server.tail()}")
        yield port
    finally:
        server.stop()


def ready(port: int) -> bool:
    """Whether the server on `port` says that it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
