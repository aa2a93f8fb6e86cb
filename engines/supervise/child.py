"""The container as a child: started, waited for, stopped with time to end what runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from landfall import process
from landfall.errors import LandfallError

SLACK_S = 15.0
"""What podman may need beside the time that it gives the container, in seconds."""


class Child:
    """One `podman run` in the foreground; what it prints goes where ours goes."""

    def __init__(self, argv: Sequence[str], name: str) -> None:
        self._argv, self._name = tuple(argv), name
        self._code: int | None = None
        self._wrong = ""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def ended(self) -> str:
        """How it ended, or nothing while it runs."""
        if self._thread.is_alive():
            return ""
        return self._wrong or f"the container ended with {self._code}"

    def stop(self, patience_s: float) -> None:
        """Tell it to end, kill it after `patience_s` seconds, and wait until it is gone."""
        words = [self._argv[0], "stop", "--ignore", f"--time={int(patience_s)}", self._name]
        try:
            process.run(words, check=False, timeout_s=patience_s + SLACK_S)
        except LandfallError as error:  # systemd kills what is left
            self._wrong = str(error)
        self._thread.join(SLACK_S)

    def _run(self) -> None:
        try:
            self._code = process.attach(self._argv)
        except LandfallError as error:
            self._wrong = str(error)
