"""What the server costs: its tokens per second against a bare ONNX Runtime loop, as a ratio.

`python -m bench serve`. Both run the same engine (random weights, int8, some 2 ms per
token) with one thread, one greedy stream each, in turns, so that what else the machine does hits
both. The loop is written here, without anything of the server's. Goal: 0.9 or more.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.figure import Figure
from bench.served import NAME, SHAPE, engine, serving
from engines import source
from examples.tiny_lm.config import BYTES, ModelConfig
from landfall.errors import LandfallError

GOAL = 0.9
PROMPT = "What does a landfall mean? "
TOKENS = 200
ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Medians over the rounds; the ratio is the median of each round's own ratio.

    Tokens per second are those of a whole answer, reading the prompt included.
    """

    loop_tokens_per_second: float
    server_tokens_per_second: float
    ratio: float
    loop_first_token_ms: float
    server_first_token_ms: float
    rounds: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One answer: tokens per second, seconds to the first piece of text, and the text."""

    rate: float
    first_s: float
    text: str


class Loop:
    """The bare loop: one session, one binding, one row of cache."""

    def __init__(self, path: Path, config: ModelConfig) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        room, head = config.context, config.head_dim
        self._cache = {
            f"{half}_{layer}": np.zeros((1, config.heads, room, head), np.float32)
            for layer in range(config.layers)
            for half in "kv"
        }

    def run(self, prompt: bytes) -> Run:
        """One greedy answer."""
        began = time.perf_counter()
        ids = np.frombuffer(prompt, np.uint8).astype(np.int64)[None]
        length = ids.shape[1]
        step = self._binding(ids, np.arange(length)[None], length)
        self._session.run_with_iobinding(step["bound"])
        token = int(step["logits"][0, -1].argmax())
        first = time.perf_counter() - began
        made = [token]
        step = self._binding(np.array([[token]]), np.array([[length]]), length + 1)
        for each in range(TOKENS - 1):
            step["ids"][0, 0] = token
            step["pos"][0, 0] = step["seqlens_k"][0] = length + each
            step["total_len"][()] = length + each + 1
            self._session.run_with_iobinding(step["bound"])
            token = int(step["logits"][0, 0].argmax())
            made.append(token)
        took = time.perf_counter() - began
        text = bytes(each for each in made if each < BYTES).decode(errors="replace")
        return Run(rate=TOKENS / took, first_s=first, text=text)

    def _binding(self, ids: Any, positions: Any, total: int) -> dict[str, Any]:
        bound = self._session.io_binding()
        arrays: dict[str, Any] = {
            "ids": np.ascontiguousarray(ids, np.int64),
            "pos": np.ascontiguousarray(positions, np.int64),
            "seqlens_k": np.array([total - 1], np.int32),
            "total_len": np.array(total, np.int32),
        }
        logits = np.zeros((*arrays["ids"].shape, SHAPE.vocabulary), np.float32)
        inputs = arrays | {f"past_{name}": array for name, array in self._cache.items()}
        outputs = {f"present_{name}": array for name, array in self._cache.items()}
        for bind, found in ((bound.bind_input, inputs), (bound.bind_output, outputs)):
            for name, array in found.items():
                bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        bound.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        return {**arrays, "bound": bound, "logits": logits}


def ask(connection: http.client.HTTPConnection) -> Run:
    """One greedy answer, streamed."""
    body = {
        "model": NAME,
        "prompt": PROMPT,
        "max_tokens": TOKENS,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began = time.perf_counter()
    connection.request("POST", "/v1/completions", json.dumps(body))
    answer = connection.getresponse()
    if answer.status != 200:
        raise LandfallError(answer.read().decode())
    first, made, text = 0.0, 0, ""
    for line in answer:
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if event["choices"] and event["choices"][0]["finish_reason"] is None:
            first = first or time.perf_counter() - began
            text += event["choices"][0]["text"]
        made = event["usage"]["completion_tokens"] if event["usage"] else made
    if made != TOKENS:
        raise LandfallError(f"{made} tokens came, {TOKENS} were asked for")
    return Run(rate=TOKENS / (time.perf_counter() - began), first_s=first, text=text)


def compare(loop: Loop, connection: http.client.HTTPConnection) -> tuple[Run, Run]:
    """One answer of each; they must be the same, or the comparison means nothing."""
    bare, served = loop.run(PROMPT.encode()), ask(connection)
    if bare.text != served.text:
        raise LandfallError(f"the answers differ: {bare.text!r} and {served.text!r}")
    return bare, served


def side_by_side(folder: Path, config: ModelConfig, rounds: int = ROUNDS) -> Figures:
    """Build, serve and compare."""
    built, signature, public = engine(folder, config, tokens=TOKENS)
    with serving(folder, built, signature, public) as port:
        loop = Loop(built / source.GRAPH, config)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        pairs = [compare(loop, connection) for _ in range(rounds + 1)][1:]
    return Figures(
        loop_tokens_per_second=statistics.median(bare.rate for bare, _ in pairs),
        server_tokens_per_second=statistics.median(served.rate for _, served in pairs),
        ratio=statistics.median(served.rate / bare.rate for bare, served in pairs),
        loop_first_token_ms=1000 * statistics.median(bare.first_s for bare, _ in pairs),
        server_first_token_ms=1000 * statistics.median(served.first_s for _, served in pairs),
        rounds=rounds,
        tokens=TOKENS,
    )


def measure() -> list[Figure]:
    """The server against the loop, for the bench model and, beside it, for the demo's shape."""
    figures = []
    for name, config, goal in (
        ("bench model", SHAPE, GOAL),
        ("the demo's shape", ModelConfig(), None),
    ):
        with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
            found = side_by_side(Path(folder), config)
        figures.append(
            Figure(
                name=f"server against a bare ONNX Runtime loop, one stream, {name}",
                value=found.ratio,
                unit="times",
                goal=goal,
                at_most=False,
                detail=f"{found.server_tokens_per_second:.0f} against "
                f"{found.loop_tokens_per_second:.0f} tokens/s "
                f"({1e3 / found.loop_tokens_per_second:.2f} ms per token)",
            )
        )
    return figures
