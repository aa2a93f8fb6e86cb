"""Garbage collection is as before, whatever happened meanwhile."""

from __future__ import annotations

import gc

import pytest

from stacks.memory import ALLOCATIONS, fewer_collections


def fail() -> None:
    assert gc.get_threshold()[0] == ALLOCATIONS
    assert gc.isenabled()
    raise RuntimeError


def test_the_collector_is_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with pytest.raises(RuntimeError), fewer_collections():
        fail()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
