"""Moves of a release."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines import release
from landfall.errors import Refused
from landfall.model.release import Release

OLD, NEW, THIRD = "a" * 64, "b" * 64, "c" * 64


def shares(found: Release) -> dict[str, int]:
    return {each.key: each.share for each in found.engines}


def test_the_way_of_an_engine() -> None:
    first = release.promote(None, OLD)
    assert (shares(first), first.previous) == ({OLD: 100}, None)
    out = release.canary(first, NEW, 10)
    assert shares(out) == {OLD: 90, NEW: 10}
    assert shares(release.rollback(out)) == {OLD: 100}
    promoted = release.promote(out, NEW)
    assert (shares(promoted), promoted.previous) == ({NEW: 100}, OLD)
    back = release.rollback(promoted)
    assert (shares(back), back.previous) == ({OLD: 100}, NEW)


def test_a_canary_may_grow() -> None:
    out = release.canary(release.promote(None, OLD), NEW, 10)
    grown = release.canary(out, NEW, 60)
    assert shares(release.canary(grown, NEW, 90)) == {OLD: 10, NEW: 90}
    assert shares(release.rollback(grown)) == {OLD: 100}


def test_promoting_twice_keeps_the_way_back() -> None:
    promoted = release.promote(release.promote(None, OLD), NEW)
    assert release.promote(promoted, NEW) == promoted


def test_what_is_refused() -> None:
    first = release.promote(None, OLD)
    with pytest.raises(Refused, match="no previous engine"):
        release.rollback(first)
    with pytest.raises(Refused, match="it is the proven engine"):
        release.canary(first, OLD, 10)
    with pytest.raises(Refused, match="bbbbbbbbbbbb is out as a canary"):
        release.canary(release.canary(first, NEW, 10), THIRD, 10)
    with pytest.raises(Refused, match="nothing to compare"):
        release.canary(None, NEW, 10)


@given(st.integers(-5, 105))
def test_a_share_is_a_part(share: int) -> None:
    first = release.promote(None, OLD)
    if 0 < share < 100:
        assert shares(release.canary(first, NEW, share))[NEW] == share
    else:
        with pytest.raises(Refused, match="1 to 99 percent"):
            release.canary(first, NEW, share)


moves = st.lists(
    st.tuples(
        st.sampled_from(["canary", "promote", "rollback"]), st.sampled_from([OLD, NEW, THIRD])
    ),
    max_size=12,
)


@given(moves)
def test_whatever_is_done_the_shares_are_whole_and_the_way_back_is_another_engine(
    done: list[tuple[str, str]],
) -> None:
    now = release.promote(None, OLD)
    for name, key in done:
        try:
            match name:
                case "canary":
                    now = release.canary(now, key, 10)
                case "promote":
                    now = release.promote(now, key)
                case _:
                    now = release.rollback(now)
        except Refused:
            continue
        assert sum(shares(now).values()) == 100
        assert now.previous != now.proven
        assert len(now.canaries) <= 1


def test_only_a_canary_is_promoted() -> None:
    first = release.promote(None, OLD)
    release.check_proven_first(None, OLD)
    release.check_proven_first(first, OLD)
    release.check_proven_first(release.canary(first, NEW, 10), NEW)
    with pytest.raises(Refused, match="--without-canary"):
        release.check_proven_first(first, NEW)
