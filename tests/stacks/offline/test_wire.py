"""What the engine sends comes back as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stacks.offline.wire import (
    UNKNOWN,
    UNKNOWN_TEXT,
    Secret,
    decode,
    encode,
    is_secret,
    is_unknown,
    reveal,
)

values = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda it: not it.is_integer())
    | st.text(alphabet="aZ 0é{}")
    | st.just(UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet="abc"), inner, max_size=3)
        | inner.map(Secret)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(alphabet="abc", min_size=1), values))
def test_a_round_trip_changes_nothing(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == properties


def test_unknown_and_secret_values_are_seen_at_any_depth() -> None:
    value = {"a": [Secret({"b": UNKNOWN})]}
    assert is_unknown(value)
    assert is_secret(value)
    assert reveal(value) == {"a": [{"b": UNKNOWN}]}
    assert encode({"a": UNKNOWN}).fields["a"].string_value == UNKNOWN_TEXT


def test_the_magic_texts_are_those_of_the_sdk() -> None:
    from pulumi.runtime import rpc

    from stacks.offline import wire

    assert rpc.UNKNOWN == wire.UNKNOWN_TEXT
    assert rpc._special_sig_key == wire.SIGNATURE_KEY
    assert rpc._special_secret_sig == wire.SECRET_SIGNATURE


def test_a_secret_is_not_printed() -> None:
    assert "hunter2" not in repr(Secret("hunter2"))
