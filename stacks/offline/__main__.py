"""`python -m stacks.offline --port-file PATH`: serve until SIGTERM or Ctrl-C.

Where it is served is one line, as the engine's variable PULUMI_DEBUG_PROVIDERS wants it:
`aws:PORT,kubernetes:PORT`.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import threading
from pathlib import Path

from stacks.offline.server import OfflineCloud


def main() -> None:
    """Serve the offline providers and write their ports to a file once they answer."""
    parser = argparse.ArgumentParser(prog="python -m stacks.offline", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of aws; default: any free one")
    parser.add_argument("--port-file", type=Path, help="where to write the ports")
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with OfflineCloud(port=options.port) as cloud:
        if options.port_file is None:
            print(cloud.attached, flush=True)
        else:
            _write(options.port_file, f"{cloud.attached}\n")
        importlib.import_module("pulumi_aws")  # while the engine starts, not when it asks
        ended.wait()


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
