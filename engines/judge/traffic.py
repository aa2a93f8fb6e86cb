"""What the gateway's log says of each engine: how many requests, and how many failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SERVER_ERROR = 500
PORT = re.compile(r"127\.0\.0\.1:(\d+)")
ELSEWHERE = " : "
"""Between what was asked before and after the gateway sent a request to the overflow."""

Counts = dict[str, list[int]]
"""By port: requests and failures."""


def count(lines: Iterable[str], counts: Counts) -> None:
    """Add what `lines` say. What is no line of the log, or of no engine, is passed over."""
    for line in lines:
        try:
            entry = json.loads(line)
            asked, status = str(entry["upstream"]), int(entry["status"])
            whole = bool(entry["completion"])
        except (ValueError, KeyError, TypeError):
            continue
        here, _, elsewhere = asked.partition(ELSEWHERE)
        ports = PORT.findall(here)
        for port in ports:
            # All but the last were passed over; so was the last, where the overflow was asked.
            passed_over = port != ports[-1] or bool(elsewhere)
            failed = passed_over or status >= SERVER_ERROR or not whole
            found = counts.setdefault(port, [0, 0])
            found[0] += 1
            found[1] += failed


def new_lines(log: Path, state: dict[str, Any]) -> list[str]:
    """Whole lines that were written since the last time; `state` remembers where that was.

    The first time there are none: what was before a canary is not about it.
    """
    try:
        now = log.stat()
    except FileNotFoundError:
        return []
    at = state.get("log")
    state["log"] = {"inode": now.st_ino, "offset": now.st_size}
    if at is None:
        return []
    lines: list[str] = []
    if at["inode"] != now.st_ino:
        rotated = log.with_name(f"{log.name}.1")
        if rotated.exists() and rotated.stat().st_ino == at["inode"]:
            lines += _from(rotated, at["offset"])[0]
        at = {"offset": 0}
    offset = at["offset"] if at["offset"] <= now.st_size else 0  # truncated in place
    more, state["log"]["offset"] = _from(log, offset)
    return lines + more


def _from(path: Path, offset: int) -> tuple[list[str], int]:
    with path.open("rb") as stream:
        stream.seek(offset)
        text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]  # the last line may still be written
    return whole.decode(errors="replace").splitlines(), offset + len(whole)
