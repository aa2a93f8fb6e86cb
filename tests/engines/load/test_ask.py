"""One request: what a server can do to it, and the real server under load."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.load.ask import Target, ask
from engines.load.run import run
from engines.load.schedule import poisson
from engines.load.statistics import summarise
from landfall import process

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PIECE = b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n\n'
DONE = b"data: [DONE]\n\n"

ANSWERS: dict[str, tuple[bytes, str]] = {
    "whole": (HEAD + PIECE + USAGE + DONE, ""),
    "without its end": (HEAD + PIECE + USAGE, "cut"),
    "an error on the way": (HEAD + PIECE + b'data: {"error": {}}\n\n' + DONE, "cut"),
    "not JSON": (HEAD + b"data: {\n\n" + DONE, "cut"),
    "turned away": (b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", "429"),
    "nothing at all": (b"", "cut"),
    "not HTTP": (b"hello\r\n\r\n", "cut"),
}


def take(connection: socket.socket) -> None:
    """Read a request to its end: closing on unread bytes would reset the connection."""
    with connection.makefile("rb") as asked:
        asked.readline()
        asked.read(int(http.client.parse_headers(asked)["Content-Length"]))


@contextlib.contextmanager
def server(answer: bytes | None) -> Iterator[str]:
    """Says `answer` to whoever asks; None: says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    take(connection)
                    if answer is None:
                        held.append(connection)
                        continue
                    connection.sendall(answer)
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for each in held:
            each.close()


def target(url: str, **more: Any) -> Target:
    return Target(url=url, model="tiny-lm", max_tokens=8, **more)


@pytest.mark.parametrize(("answer", "error"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_server_says(answer: bytes, error: str) -> None:
    with server(answer) as url:
        found = ask(target(url), "hello")
    assert found.error == error
    if not error:
        assert (found.text, found.tokens) == ("hi", 7)


def test_a_server_that_is_silent_or_not_there() -> None:
    with server(None) as url:
        assert ask(target(url, timeout_s=0.2), "hello").error == "timeout"
    assert ask(target(url), "hello").error == "refused"


def test_a_key_is_not_shown() -> None:
    assert "hunter2" not in repr(target("http://x", api_key="hunter2"))


@pytest.mark.services
def test_the_real_server_under_load(signed: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = process.spawn(
        [
            *(sys.executable, "-m", "engines.serve", "--engine", signed.engine),
            *("--signature", signed.signature, "--public-key", signed.public_key),
            *("--port", str(port), "--name", "tiny-lm"),
        ],
        name="server",
        record=tmp_path / "server.json",
        log=tmp_path / "server.log",
    )
    asked = target(f"http://127.0.0.1:{port}")
    try:
        assert process.wait_until(lambda: not ask(asked, "x").error, timeout_s=30), daemon.tail()
        arrivals = poisson(rate=40, requests=60, seed=1)
        report = summarise(run(lambda prompt: ask(asked, prompt), arrivals, ["Where?", "Who?"]))
    finally:
        daemon.stop()
    assert (report.requests, report.failed, dict(report.errors)) == (60, 0, {})
    assert report.tokens > 60
    assert 0 < report.first_token.p50 <= report.first_token.p99 <= report.whole.p99
    assert report.asked_rate == pytest.approx(60 / arrivals[-1])
