"""A program in podman's place: `run` serves on loopback until `stop` comes, as a container would.

It is given as a file that is run, with a folder in PODMAN_FOLDER for what it was told.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from tests.engines.supervise.servers import Behaviour, serving


def main() -> int:
    folder = Path(os.environ["PODMAN_FOLDER"])
    verb, *words = sys.argv[1:]
    with (folder / "told").open("a") as log:
        log.write(json.dumps([verb, *words]) + "\n")
    if verb == "stop":
        os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
        return 0
    how = json.loads(os.environ.get("PODMAN_BEHAVES", "{}"))
    if verb != "run":
        return 0
    if "NOTIFY_SOCKET" in os.environ:
        print("it could speak to systemd itself", file=sys.stderr)
    if "ends" in how:
        return int(how["ends"])
    (folder / "pid").write_text(str(os.getpid()))
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(0))
    port = int(words[words.index("--port") + 1])
    behaviour = Behaviour()
    with serving(behaviour, port):
        while not ended:
            behaviour.hangs = (folder / "hang").exists()
            if (folder / "crash").exists():
                os._exit(137)
            time.sleep(0.05)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
