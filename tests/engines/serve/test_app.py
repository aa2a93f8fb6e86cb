"""The application without a network: clients that leave at the worst moments, engines that fail."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from engines import manifest
from engines.serve import app
from engines.serve.defaults import Defaults
from engines.serve.load import Loaded
from engines.serve.service import Broken, Limits, Service
from engines.tokenizer import Tokenizer

pytestmark = pytest.mark.slow


class Slow:
    """A runtime that takes its time, or fails."""

    slots, room, vocabulary = 1, 100_000, 256

    def __init__(self) -> None:
        self.fails = False
        self.value = 1.0
        self.pause_s = 0.0

    def prefill(self, slot: int, ids: Any, start: int) -> Any:
        time.sleep(self.pause_s)
        return self._logits(len(ids))

    def decode(self, ids: Any, lengths: Any) -> Any:
        time.sleep(0.005)
        if self.fails:
            raise RuntimeError("kanarienvogel")
        return self._logits(len(ids))

    def _logits(self, rows: int) -> Any:
        return np.tile(np.eye(256, dtype=np.float32)[97] * self.value, (rows, 1))

    def move(self, source: int, target: int, length: int) -> None:
        raise AssertionError("there is one row")


async def started(signed: Any, runtime: Slow, **limits: Any) -> Service:
    loaded = Loaded(
        runtime=runtime,
        about=manifest.read(signed.engine).predicate,
        tokenizer=Tokenizer({}),
        template="",
        defaults=Defaults(),
        end_tokens=frozenset(),
    )
    service = Service("tiny-lm", loaded, Limits(max_new_tokens=90_000, **limits))
    await service.start()
    return service


async def post(service: Service, *, stream: bool, leave: Callable[[list[Any]], bool]) -> list[Any]:
    """What the application sends for a request whose client leaves when `leave` says so."""
    body = {"model": "tiny-lm", "prompt": "x", "max_tokens": 50_000, "stream": stream}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/completions",
        "raw_path": b"/v1/completions",
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    sent: list[Any] = []
    asked = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Any:
        if asked:
            return asked.pop()
        while not leave(sent):
            await asyncio.sleep(0.001)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app.create(service)(scope, receive, send)
    return sent


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("after", [0, 4])
def test_a_client_that_leaves_frees_its_row(stream: bool, after: int, signed: Any) -> None:
    async def work() -> None:
        service = await started(signed, Slow())
        began = time.monotonic()

        def leave(sent: list[Any]) -> bool:
            return len(sent) >= after if stream else time.monotonic() > began + after / 100

        await post(service, stream=stream, leave=leave)
        async with asyncio.timeout(2):
            while service.decoder.active or service.decoder.waiting:
                await asyncio.sleep(0.005)
        assert service.running == 0
        assert 'error_type="499"' in service.metrics.text().decode()
        service.decoder.stop(2)

    run(work)


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_that_fails_half_way(
    stream: bool, signed: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work() -> None:
        runtime = Slow()
        service = await started(signed, runtime)
        runtime.fails = True
        sent = await post(service, stream=stream, leave=lambda _: False)
        content = b"".join(each.get("body", b"") for each in sent)
        assert b"the engine stopped before the answer was whole" in content
        assert b"[DONE]" not in content
        assert sent[0]["status"] == (200 if stream else 500)
        assert service.running == 0
        assert "the engine failed" in service.not_live()
        assert service.not_ready()
        refused = await post(service, stream=stream, leave=lambda _: False)
        assert refused[0]["status"] == 503

    run(work)


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_number_is_no_token(stream: bool, signed: Any) -> None:
    async def work() -> None:
        runtime = Slow()
        service = await started(signed, runtime)
        runtime.value = np.nan
        sent = await post(service, stream=stream, leave=lambda _: False)
        content = b"".join(each.get("body", b"") for each in sent)
        assert b"the model's numbers are not finite" in content
        assert b'"text"' not in content
        assert b"[DONE]" not in content
        assert sent[0]["status"] == (200 if stream else 500)
        assert 'error_type="not_finite"' in service.metrics.text().decode()
        assert not service.not_ready()  # it ends the request, not the server
        service.decoder.stop(2)

    run(work)


def test_an_engine_whose_first_answer_is_no_number_is_never_ready(signed: Any) -> None:
    async def work() -> None:
        runtime = Slow()
        runtime.value = np.nan
        with pytest.raises(Broken, match="not_finite"):
            await started(signed, runtime)

    run(work)


def test_a_hung_engine_is_noticed(signed: Any) -> None:
    async def work() -> None:
        runtime = Slow()
        service = await started(signed, runtime, hung_after_s=0.3)
        assert not service.not_live()
        runtime.pause_s = 1.0
        leaving = asyncio.create_task(post(service, stream=True, leave=lambda _: False))
        async with asyncio.timeout(5):
            while not service.not_live():
                await asyncio.sleep(0.01)
        assert "has not taken a step" in service.not_live()
        leaving.cancel()
        service.decoder.stop(3)

    run(work)


def test_a_drain_has_a_bound_and_turns_others_away(signed: Any) -> None:
    async def work() -> None:
        service = await started(signed, Slow(), drain_s=0.2)
        gone = asyncio.Event()
        first = asyncio.create_task(post(service, stream=True, leave=lambda _: gone.is_set()))
        while not service.running:
            await asyncio.sleep(0.001)
        drained = asyncio.create_task(service.drain())
        await asyncio.sleep(0.01)
        assert service.not_ready() == "the server is being stopped"
        refused = await post(service, stream=False, leave=lambda _: False)
        assert refused[0]["status"] == 503
        assert await drained is False
        gone.set()
        await first
        assert await service.drain() is True
        service.decoder.stop(2)

    run(work)
