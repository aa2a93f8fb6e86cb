"""However often and wherever the power goes, the next run ends well and overwrites no data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from playbooks.plugins.module_utils.landfall_storage import plan, verify
from tests.playbooks.storage import given
from tests.playbooks.storage.host import AFTER, BEFORE, HALF, UNITS, Host, Lost, PowerCut


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """What is modelled here is lost and kept by the model, not by this machine's disk."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield


def finished(host: Host) -> None:
    """The array is as promised, and a further run would do nothing."""
    assert list(verify.problems(given.spec(), host.facts(), UNITS)) == []
    assert host.planned().steps == ()


def until_it_ends(host: Host, cuts: list[tuple[int, str]]) -> None:
    for number, how in cuts:
        host.cut, host.how = number, how
        with suppress(PowerCut):
            host.attempt()
        host.lose_power()
    host.attempt()
    finished(host)


def test_without_interruption(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.attempt()
    finished(host)
    assert not (tmp_path / "run/data.key").exists()


@pytest.mark.parametrize("how", [BEFORE, HALF, AFTER])
def test_one_cut_at_every_event(how: str) -> None:
    number = 1
    while True:
        with tempfile.TemporaryDirectory() as folder:
            host = Host(Path(folder))
            host.cut, host.how = number, how
            try:
                host.attempt()
            except PowerCut:
                host.lose_power()
                host.attempt()
                finished(host)
            else:
                break
        number += 1
    assert number > 25  # events of a whole run


@settings(max_examples=60, deadline=None)
@drawn(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([BEFORE, HALF, AFTER])), max_size=5))
def test_many_cuts_anywhere(cuts: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        until_it_ends(Host(Path(folder)), cuts)


def test_the_model_would_notice_lost_data(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.attempt()
    with pytest.raises(Lost):
        host.do(["mkfs.xfs", "-f", "uuid=1"], half=False)


def test_what_check_mode_shows_is_what_the_run_does(tmp_path: Path) -> None:
    host = Host(tmp_path)
    shown = host.planned()
    host.phase(plan.MAKE)
    then = host.planned()
    assert then.of(plan.MAKE) == ()
    assert [(each.name, each.change) for each in then.steps] == [
        (each.name, each.change) for each in shown.of(plan.USE)
    ]
