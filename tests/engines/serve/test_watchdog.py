"""A generator that hangs: no more requests, no pings, an end with 1, and nobody left waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from engines import manifest
from engines.serve import __main__ as server
from engines.serve import logs
from engines.serve.defaults import Defaults
from engines.serve.load import Loaded
from engines.serve.service import Limits, Service
from engines.tokenizer import Tokenizer

pytestmark = pytest.mark.services

BODY = {"model": "tiny-lm", "prompt": "x", "max_tokens": 50}


class Hanging:
    """A runtime that stops in the middle of a step while its gate is closed."""

    slots, room, vocabulary = 1, 200, 256

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        return self._logits(len(ids))

    def decode(self, ids: Any, lengths: Any) -> Any:
        self.gate.wait()
        return self._logits(len(ids))

    def move(self, source: int, target: int, length: int) -> None:
        raise AssertionError("there is one row")

    def _logits(self, rows: int) -> Any:
        return np.tile(np.eye(256, dtype=np.float32)[97], (rows, 1))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """What systemd hears."""
    monkeypatch.setattr(logs, "install", lambda: None)  # the log of this process is the tests'
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    interval = sys.getswitchinterval()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.setblocking(False)
        yield channel
    sys.setswitchinterval(interval)


def heard(channel: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(channel.recv(100))
        except BlockingIOError:
            return found


async def status(client: httpx.AsyncClient, path: str) -> int:
    try:
        return (await client.get(path)).status_code
    except httpx.TransportError:
        return 0


async def until(client: httpx.AsyncClient, path: str, wanted: int) -> None:
    async with asyncio.timeout(20):
        while await status(client, path) != wanted:
            await asyncio.sleep(0.01)


def serve(signed: Any, runtime: Hanging, **limits: float) -> Service:
    loaded = Loaded(
        runtime=runtime,
        about=manifest.read(signed.engine).predicate,
        tokenizer=Tokenizer({}),
        template="",
        defaults=Defaults(),
        end_tokens=frozenset(),
    )
    bounds: Any = {"max_new_tokens": 100, "drain_s": 1.0, **limits}
    return Service("tiny-lm", loaded, Limits(**bounds))


def test_a_stalled_generator_gets_no_requests_and_may_come_back(
    signed: Any, told: socket.socket
) -> None:
    runtime = Hanging()
    service = serve(signed, runtime, stalled_after_s=0.6, hung_after_s=1000)

    async def work() -> None:
        async with running(service) as (client, serving):
            runtime.gate.clear()
            asking = asyncio.create_task(client.post("/v1/completions", json=BODY))
            await until(client, "/health/ready", 503)
            assert await status(client, "/health/live") == 200
            heard(told)
            await pinged(told)  # a restart would only make it longer
            runtime.gate.set()
            assert (await asking).status_code == 200
            await until(client, "/health/ready", 200)
            assert not serving.done()
            service.failure = "the test is over"
            assert await serving == 1

    asyncio.run(work())


@pytest.mark.parametrize("stream", [True, False])
def test_a_hung_generator_ends_the_server(stream: bool, signed: Any, told: socket.socket) -> None:
    runtime = Hanging()
    service = serve(signed, runtime, stalled_after_s=0.6, hung_after_s=1)

    async def work() -> None:
        async with running(service) as (client, serving):
            assert {b"READY=1", b"WATCHDOG=1"} <= set(heard(told))
            runtime.gate.clear()
            answer = await client.post("/v1/completions", json={**BODY, "stream": stream})
            assert "the engine stopped before the answer was whole" in answer.text
            assert "[DONE]" not in answer.text
            assert answer.status_code == (200 if stream else 500)
            heard(told)
            assert await serving == 1
            assert heard(told) == []  # no more pings, and no orderly end either

    asyncio.run(work())
    runtime.gate.set()


@contextlib.asynccontextmanager
async def running(
    service: Service,
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Task[int]]]:
    """The served service, once it is ready, and a client of it."""
    listener = server._bind("127.0.0.1", 0)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(server._serve(service, listener))
    async with httpx.AsyncClient(base_url=base, timeout=20) as client:
        await until(client, "/health/ready", 200)
        yield client, serving


async def pinged(channel: socket.socket) -> None:
    async with asyncio.timeout(20):
        while b"WATCHDOG=1" not in heard(channel):
            await asyncio.sleep(0.05)
