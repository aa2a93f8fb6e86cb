"""A server that speaks as much of OpenAI's interface as a supervisor asks, and can misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = {"choices": [{"text": " a", "finish_reason": "length"}], "usage": {"completion_tokens": 1}}


@dataclass
class Behaviour:
    """How it answers now; a test changes it while it runs.

    Attributes:
        health: status of /health.
        status: of a completion.
        answer: to a completion; text is sent as it is.
        hangs: completions are taken and not answered.
        generated: what its counter says; it counts on with every look where `counts` is set.
    """

    health: int = 200
    status: int = 200
    answer: Any = field(default_factory=lambda: dict(TOKEN))
    hangs: bool = False
    models: Any = field(default_factory=lambda: {"data": [{"id": "engine"}]})
    generated: int = 5
    counts: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        now = self.server.behaviour
        if self.path == "/health":
            self._send(now.health, "")
        elif self.path == "/v1/models":
            self._send(200, now.models if isinstance(now.models, str) else json.dumps(now.models))
        elif self.path == "/metrics":
            now.generated += int(now.counts)
            self._send(200, f'# HELP x\nvllm:made_total{{engine="0"}} {now.generated}.0\n')
        else:
            self._send(404, "")

    def do_POST(self) -> None:
        now = self.server.behaviour
        now.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if now.hangs:
            now.release.wait(30)
            return
        self._send(
            now.status, now.answer if isinstance(now.answer, str) else json.dumps(now.answer)
        )

    def _send(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: tests are quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    behaviour: Behaviour


@contextmanager
def serving(behaviour: Behaviour, port: int = 0) -> Iterator[int]:
    """Serve on loopback; the port."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.behaviour = behaviour
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        behaviour.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
