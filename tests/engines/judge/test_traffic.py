"""What the gateway's log says: every request of an engine once, whoever rotates the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engines.judge.traffic import Counts, count, new_lines

ONE, TWO = "127.0.0.1:20001", "127.0.0.1:20002"


def line(upstream: str, status: int = 200, completion: str = "OK") -> str:
    return json.dumps({"upstream": upstream, "status": status, "completion": completion})


CASES: dict[str, tuple[str, Counts]] = {
    "answered": (line(ONE), {"20001": [1, 0]}),
    "the client's own fault": (line(ONE, 400), {"20001": [1, 0]}),
    "failed": (line(ONE, 503), {"20001": [1, 1]}),
    "cut": (line(ONE, 200, ""), {"20001": [1, 1]}),
    "passed over": (line(f"{TWO}, {ONE}"), {"20002": [1, 1], "20001": [1, 0]}),
    "sent away": (line(f"{ONE} : 192.0.2.1:443"), {"20001": [1, 1]}),
    "turned away before": (line("", 401), {}),
    "no line of the log": ("{", {}),
    "of another shape": ("[]", {}),
}


@pytest.mark.parametrize(("written", "counts"), CASES.values(), ids=CASES)
def test_a_line(written: str, counts: Counts) -> None:
    found: Counts = {}
    count([written], found)
    assert found == counts


def test_a_log_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    log, state = tmp_path / "landfall.json", dict[str, Any]()
    assert new_lines(log, state) == []  # there is none yet
    log.write_text("before\n")
    assert new_lines(log, state) == []  # what was before is not about it
    with log.open("a") as stream:
        stream.write("one\ntwo\nhal")
    assert new_lines(log, state) == ["one", "two"]
    with log.open("a") as stream:
        stream.write("f\n")
    log.rename(tmp_path / "landfall.json.1")
    log.write_text("new\n")
    assert new_lines(log, state) == ["half", "new"]
    log.write_text("x\n")  # truncated in place
    assert new_lines(log, state) == ["x"]
