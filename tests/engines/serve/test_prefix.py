"""Known prompts: found by their owner only, in whole chunks, and forgotten oldest first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.serve.prefix import PrefixCache, shared

CHUNK = 4
ANN, BOB = ("ann", ""), ("bob", "")
TOKENS = st.lists(st.integers(0, 1), max_size=20)


def ids(*parts: int) -> Any:
    """Chunks of equal tokens, e.g. ids(1, 2) is 1 1 1 1 2 2 2 2."""
    return np.repeat(np.array(parts, np.int64), CHUNK)


@given(TOKENS, TOKENS)
def test_shared_is_the_longest_common_beginning_in_whole_chunks(a: list[int], b: list[int]) -> None:
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    held, wanted = np.array(a, np.int64), np.array(b, np.int64)
    assert shared(held, wanted, CHUNK) == common // CHUNK * CHUNK


def test_the_longest_one_is_found() -> None:
    cache = PrefixCache(range(8, 11), CHUNK)
    cache.keep(ANN, ids(1, 2))
    row = cache.keep(ANN, ids(1, 3, 4))
    assert cache.find(ANN, ids(1, 3, 4, 5)) == (row, 3 * CHUNK)
    assert cache.find(ANN, ids(1, 3, 5)) == (row, 2 * CHUNK)
    assert cache.find(ANN, ids(2))[1] == 0


@pytest.mark.parametrize("other", [BOB, ("ann", "salt")])
def test_nobody_finds_what_another_has_asked(other: tuple[str, str]) -> None:
    cache = PrefixCache(range(2), CHUNK)
    cache.keep(ANN, ids(1, 2))
    assert cache.find(other, ids(1, 2, 3))[1] == 0
    assert cache.keep(other, ids(1, 2)) is not None  # a row of its own, too
    assert len(cache) == 2


def test_what_continues_a_prompt_takes_its_row_and_what_is_held_takes_none() -> None:
    cache = PrefixCache(range(2), CHUNK)
    row = cache.keep(ANN, ids(1))
    assert cache.keep(ANN, ids(1, 2)) == row
    assert cache.keep(ANN, ids(1, 2)) is None
    assert cache.keep(ANN, ids(1)) is None
    assert cache.keep(ANN, ids(1, 3)) not in {None, row}  # another continuation


def test_the_one_that_was_used_longest_ago_goes_first() -> None:
    cache = PrefixCache(range(2), CHUNK)
    first, second = cache.keep(ANN, ids(1)), cache.keep(ANN, ids(2))
    cache.find(ANN, ids(1))
    assert cache.keep(BOB, ids(3)) == second
    assert cache.find(ANN, ids(1)) == (first, CHUNK)
    assert cache.find(ANN, ids(2))[1] == 0


@pytest.mark.parametrize(("rows", "prompt"), [(0, ids(1)), (2, ids())])
def test_nothing_to_keep_or_nowhere(rows: int, prompt: Any) -> None:
    cache = PrefixCache(range(rows), CHUNK)
    assert cache.keep(ANN, prompt) is None
    assert cache.find(ANN, ids(1))[1] == 0
