"""`python -m engines.serve`: verify an engine, load it, serve it until told to stop.

Ends with 0 after SIGTERM or SIGINT, 1 where the engine is refused or fails, 2 for a wrong command
line.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from engines.limits import KEPT_PROMPTS
from engines.serve import app, kinds, logs
from engines.serve.answer import Broken
from engines.serve.graphs import GraphService
from engines.serve.lifecycle import HUNG_AFTER_S, Limits
from engines.serve.load import verify
from engines.serve.notify import PING, notify, watchdog_s
from engines.serve.service import Service
from landfall.errors import Busy, LandfallError

BACKLOG = 2048
KEEP_ALIVE_S = 75
"""Longer than anybody keeps a connection that is idle: who closes first may lose a request."""
SWITCH_S = 0.0002
"""How long the decoding thread may wait for Python's lock after a step. The usual 5 ms are two
steps of a small model; the other thread writes to sockets, and can be interrupted."""
CHECK_S = 1.0
"""How often the server looks whether its own engine still lives."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one engine."""
    arguments = _parser().parse_args(argv)
    try:
        # The port first: to be told that it is taken should not need a loaded model.
        listener = _bind(arguments.host, arguments.port)
        engine = verify(
            arguments.engine, signature=arguments.signature, public_key=arguments.public_key
        )
        service = kinds.open_engine(
            arguments.name,
            engine,
            _limits(arguments, engine.about.room),
            threads=arguments.threads,
            slots=arguments.slots,
            kept=arguments.kept_prompts,
        )
        return asyncio.run(_serve(service, listener))
    except LandfallError as error:
        print(f"engines.serve: {error}", file=sys.stderr)
        return error.exit_code


def _limits(arguments: argparse.Namespace, room: int) -> Limits:
    return Limits(
        max_queue=arguments.max_queue,
        max_new_tokens=arguments.max_new_tokens or room - 1,
        drain_s=arguments.drain_s,
        hung_after_s=arguments.hung_after_s,
        stalled_after_s=arguments.hung_after_s / 3,
    )


class _Quiet(uvicorn.Server):
    """Uvicorn without its own idea of signals: we drain first, and end with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(service: Service | GraphService, listener: socket.socket) -> int:
    logs.install()
    sys.setswitchinterval(SWITCH_S)
    config = uvicorn.Config(
        app.create(service),
        log_config=None,
        access_log=False,
        lifespan="off",
        backlog=BACKLOG,
        server_header=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = _Quiet(config)
    stop, now = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (now if stop.is_set() else stop).set()  # a second signal does not wait for the drain

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(_watch(service))
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(_start(service))
    await asyncio.wait({serving, watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
    reason = service.not_live()
    if reason:
        print(f"engines.serve: {reason}", file=sys.stderr)
        service.abandon()
    else:
        notify("STOPPING=1")
        await _first(service.life.drain(), now.wait())
    server.should_exit = True
    service.stop()
    await serving
    for task in (starting, watching, stopping):
        task.cancel()
    return 1 if reason else 0


async def _start(service: Service | GraphService) -> None:
    with contextlib.suppress(Broken):  # the watch tells why
        await service.start()
        notify("READY=1")


async def _watch(service: Service | GraphService) -> None:
    """Tell systemd that we live, as long as it is true; return when it no longer is."""
    every = min(watchdog_s() or CHECK_S, CHECK_S)
    while not service.not_live():
        notify(PING)
        await asyncio.sleep(every)


async def _first(*works: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Connections inherit it. Without it a stream's first token waits for the acknowledgement of
    # the head, which a gateway on a kept connection delays by 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Busy(
            f"cannot listen on {host} port {port}: {error.strerror}",
            hint="Another server may run there already.",
        ) from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engines.serve", description=__doc__)
    parser.add_argument("--engine", type=Path, required=True, help="the engine's folder")
    parser.add_argument("--signature", type=Path, required=True)
    parser.add_argument("--public-key", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True, help="what clients give as the model")
    parser.add_argument("--threads", type=_positive, default=1, help="of one step")
    parser.add_argument("--slots", type=_positive, help="requests answered at a time")
    parser.add_argument("--max-queue", type=_whole, default=64, help="requests that may wait")
    parser.add_argument("--max-new-tokens", type=_positive, help="the longest answer")
    parser.add_argument(
        "--kept-prompts", type=_whole, default=KEPT_PROMPTS, help="that are kept to be continued"
    )
    parser.add_argument(
        "--hung-after-s", type=float, default=HUNG_AFTER_S, help="a step may take, then restart"
    )
    parser.add_argument("--drain-s", type=float, default=30.0, help="patience when stopping")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text}")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
