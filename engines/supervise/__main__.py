"""`python -m engines.supervise`: what the unit of an engine in a container runs on its host.

`run` as the main process, `ended` after it; `engines.supervise.check` before every start. Ends with
0 after SIGTERM or SIGINT, 1 where the engine fails or hangs, 2 for a wrong command line.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.serve.notify import PING, notify
from engines.supervise import pause, probe
from engines.supervise.child import Child
from engines.supervise.watch import Patience, Watch
from landfall.errors import LandfallError

KILL_S = 10.0
"""How long a container gets that hangs anyway, in seconds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line asks."""
    words = list(sys.argv[1:] if argv is None else argv)
    # Everything behind the first -- is the container's command, whatever it looks like.
    cut = words.index("--") if "--" in words else len(words)
    arguments = _parser().parse_args(words[:cut])
    try:
        return int(arguments.run(arguments, words[cut + 1 :]))
    except LandfallError as error:
        _say(str(error))
        return error.exit_code


def _ended(arguments: argparse.Namespace, _: Sequence[str]) -> int:
    """Count a failure. systemd says in SERVICE_RESULT whether it was one (systemd.exec(5))."""
    if os.environ.get("SERVICE_RESULT", "success") != "success":
        pause.remember(arguments.failures, time.time())
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """A server as `Watch` asks it."""

    server: probe.Server

    def well(self) -> bool:
        return probe.well(self.server)

    def token(self, patience_s: float) -> None:
        probe.token(self.server, patience_s)

    def generated(self) -> float | None:
        return probe.generated(self.server)


@dataclass(slots=True)
class _Stop:
    """Whether somebody wants it to end. A flag: a handler must take no lock."""

    asked: bool = False

    def on_signal(self, *_: object) -> None:
        self.asked = True


def _run(arguments: argparse.Namespace, command: Sequence[str]) -> int:
    stop = _Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    child = Child(command, arguments.container)
    server = probe.Server(
        port=arguments.port,
        health=arguments.health,
        metrics=arguments.metrics,
        generated=arguments.generated,
    )
    patience = Patience(
        warm_s=arguments.warm_s,
        every_s=arguments.every_s,
        hung_after_s=arguments.hung_after_s,
    )
    watch = Watch(
        server=_Served(server=server),
        patience=patience,
        ended=child.ended,
        stopped=lambda: stop.asked,
        alive=lambda: notify(PING),
    )
    child.start()
    reason = watch.warm()
    if not reason and not stop.asked:
        notify("READY=1")
        reason = watch.serve()
    notify("STOPPING=1")
    if reason:
        _say(reason)
    child.stop(KILL_S if reason else arguments.drain_s)
    return 1 if reason else 0


def _say(text: str) -> None:
    print(f"engines.supervise: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engines.supervise", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run_ = commands.add_parser("run", help="run the container that -- is followed by")
    run_.add_argument("--container", required=True, help="its name")
    run_.add_argument("--port", type=int, required=True, help="of loopback")
    run_.add_argument("--health", required=True, help="the path that answers 200 while it is well")
    run_.add_argument("--metrics", default="", help="the path for Prometheus")
    run_.add_argument("--generated", default="", help="the counter there of tokens")
    run_.add_argument("--warm-s", type=float, default=1500.0, help="patience with the first token")
    run_.add_argument("--every-s", type=float, default=15.0, help="between two questions")
    run_.add_argument("--hung-after-s", type=float, default=60.0, help="without a token")
    run_.add_argument("--drain-s", type=float, default=30.0, help="patience when stopping")
    run_.set_defaults(run=_run)
    ended_ = commands.add_parser(
        "ended", help="count a failure, where systemd says that it was one"
    )
    ended_.add_argument("--failures", type=Path, required=True)
    ended_.set_defaults(run=_ended)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
