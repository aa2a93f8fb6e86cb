"""How long a failing engine waits before it is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.supervise import pause

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("ago", "seconds"),
    [
        ([], 0),
        ([10], 5),
        ([20, 10], 10),
        ([30, 20, 10], 20),
        ([1] * 12, 300),
        ([1799.0, 1801.0], 5),  # what is older no longer counts
        ([-50], 0),  # a clock that was put back must not stop anybody
    ],
)
def test_each_failure_doubles_the_pause(ago: list[float], seconds: float) -> None:
    assert pause.pause_s([NOW - each for each in ago], NOW) == seconds


@given(st.lists(st.floats(0, 2 * NOW)), st.floats(0, 2 * NOW))
def test_it_never_waits_longer_than_that(failures: list[float], now: float) -> None:
    assert 0.0 <= pause.pause_s(failures, now) <= pause.LONGEST_S


def test_failures_are_kept_but_not_all_of_them(tmp_path: Path) -> None:
    record = tmp_path / "run/failures"
    for number in range(40):
        pause.remember(record, NOW + number)
    assert len(pause.failures(record)) == pause.KEPT
    assert pause.failures(record)[-1] == NOW + 39


@pytest.mark.parametrize("text", ["", "{}", "[1, 'x'", '["x", null]', "5"])
def test_a_record_that_is_none_of_ours_stops_nobody(tmp_path: Path, text: str) -> None:
    record = tmp_path / "failures"
    assert pause.failures(record) == ()
    record.write_text(text)
    assert pause.failures(record) == ()
    pause.remember(record, NOW)
    assert pause.failures(record) == (NOW,)
