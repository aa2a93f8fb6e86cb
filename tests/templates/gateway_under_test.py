"""A real nginx on loopback with the gateway's template, and engines that record what they get."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from landfall import process, render
from tests.loopback import free_port
from tests.playbooks.loading import plugin

HERE = Path(__file__).parent
VALUES: dict[str, Any] = yaml.safe_load((HERE / "gateway.yml").read_text())

KEYS = {"clinic": "clinic-key-0123456789abcdef", "website": "website-key-0123456789abcde"}


def module(name: str) -> Any:
    return plugin("modules", name)


@dataclass
class Engine:
    """Answers every request in chunks, and keeps what it was sent.

    `thinking_s` is between the head of an answer and its first chunk, `pause_s` after each chunk.
    `left` counts connections that the gateway has closed.
    """

    name: str
    port: int = field(default_factory=free_port)
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    thinking_s: float = 0.0
    pause_s: float = 0.0
    chunks: int = 1
    left: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(length))
                writer.write(f"HTTP/1.1 {self.status} X\r\nTransfer-Encoding: chunked\r\n".encode())
                writer.write(b"Content-Type: text/event-stream\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(self.thinking_s)
                for number in range(self.chunks):
                    text = f"data: {self.name} {number}\n\n".encode()
                    writer.write(f"{len(text):x}\r\n".encode() + text + b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(self.pause_s)
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        self.left += 1
        writer.close()


@contextlib.contextmanager
def serving(*engines: Engine) -> Iterator[None]:
    """Run the engines in a thread."""
    loop, started = asyncio.new_event_loop(), threading.Event()
    servers: list[asyncio.Server] = []

    async def start() -> None:
        for engine in engines:
            servers.append(await asyncio.start_server(engine.answer, "127.0.0.1", engine.port))
        started.set()

    def stop() -> None:
        for server in servers:
            server.close()
        loop.stop()

    def run() -> None:
        loop.create_task(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(5)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop)
        thread.join(5)


@dataclass
class Gateway:
    folder: Path
    values: dict[str, Any]

    @property
    def port(self) -> int:
        return int(self.values["gateway_listen"]["port"])

    @property
    def config(self) -> Path:
        return self.folder / "nginx.conf"

    def write(self, keys: dict[str, str] = KEYS) -> None:
        text = module("landfall_gateway_keys").layout(keys)
        (self.folder / "keys.conf").write_text(text)
        self.config.write_text(render.render("nginx/landfall.conf.j2", self.values))

    def nginx(self, *words: str) -> process.Completed:
        return process.run(["nginx", "-c", self.config, "-e", "stderr", *words], check=False)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        record = self.folder / "nginx.json"
        argv: list[str | Path] = ["nginx", "-c", self.config, "-g", "daemon off;", "-e", "stderr"]
        process.spawn(argv, name="nginx", record=record, log=self.folder / "out.log")
        try:
            assert process.wait_until(self._listens, timeout_s=5), self.log("out.log")
            yield
        finally:
            process.stop(record)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def entries(self, number: int) -> list[dict[str, Any]]:
        """The access log, once it has `number` lines (they come just after the answer)."""
        process.wait_until(lambda: self.log("access.json").count("\n") >= number, timeout_s=5)
        return [json.loads(line) for line in self.log("access.json").splitlines()]

    def send(self, request: bytes, *, timeout_s: float = 5.0) -> bytes:
        """Send bytes as they are (no client that tidies headers) and read until the end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout_s) as connection:
            connection.sendall(request)
            received = b""
            with contextlib.suppress(ConnectionError):
                while data := connection.recv(65536):
                    received += data
        return received


def gateway(folder: Path, engines: list[Engine], overflow: Engine | None, **more: Any) -> Gateway:
    """The gateway of gateway.yml, moved into `folder` and in front of `engines`."""
    upstreams = [
        {**upstream, "port": engine.port}
        for upstream, engine in zip(VALUES["gateway_routes"][0]["upstreams"], engines, strict=False)
    ]
    away = [
        {"address": f"127.0.0.1:{each.port}", "classifications": ["public"]}
        for each in [overflow]
        if each
    ]
    values = {
        **VALUES,
        "gateway_user": "root" if os.geteuid() == 0 else "nobody",
        "gateway_pid_file": str(folder / "nginx.pid"),
        "gateway_error_log": str(folder / "error.log"),
        "gateway_access_log": str(folder / "access.json"),
        "gateway_temporary_folder": str(folder / "temporary"),
        "gateway_keys_file": str(folder / "keys.conf"),
        "gateway_drain_file": str(folder / "drained"),
        "gateway_withdrawn_folder": str(folder / "withdrawn"),
        "gateway_worker_connections": 256,
        "gateway_listen": {"address": "127.0.0.1", "port": free_port()},
        "gateway_routes": [{"name": "tiny-lm", "upstreams": upstreams}],
        "gateway_overflow": away,
        **more,
    }
    (folder / "temporary").mkdir()
    made = Gateway(folder=folder, values=values)
    made.write()
    return made
