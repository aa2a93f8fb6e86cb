"""From the engine's events to changes that a person can read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from landfall.model.change import Kind
from stacks.changes import SECRET_SIGNATURE, UNKNOWN, change, leaves, text_at


def step(old: dict[str, Any], new: dict[str, Any], path: str) -> Any:
    """An update of one property, as the engine tells it."""
    return SimpleNamespace(
        urn="urn:pulumi:dev::landfall::aws:x/y:Y::thing",
        type="aws:x/y:Y",
        old=SimpleNamespace(inputs=old, outputs=old),
        new=SimpleNamespace(inputs=new),
        detailed_diff=None,
        diffs=[path],
        keys=[],
    )


def test_of_two_documents_each_leaf_that_differs_is_told() -> None:
    old = {"policy": json.dumps({"Statement": [{"Action": ["a", "b"], "Effect": "Allow"}]})}
    new = {"policy": json.dumps({"Statement": [{"Action": ["a"], "Effect": "Deny"}]})}
    found = change(step(old, new, "policy"), Kind.UPDATE, "dev")
    assert {each.path: (each.before, each.after) for each in found.details} == {
        "policy.Statement[0].Action[1]": ("b", ""),
        "policy.Statement[0].Effect": ("Allow", "Deny"),
    }


def test_other_values_are_told_whole() -> None:
    found = change(step({"size": 1}, {"size": 2}, "size"), Kind.UPDATE, "dev")
    assert [(each.path, each.before, each.after) for each in found.details] == [("size", "1", "2")]


def test_a_document_that_is_not_known_yet_is_told_as_such() -> None:
    found = change(step({"policy": "{}"}, {"policy": UNKNOWN}, "policy"), Kind.UPDATE, "dev")
    assert [(each.before, each.after) for each in found.details] == [("{}", "[unknown]")]


def test_a_secret_is_never_told() -> None:
    secret = {SECRET_SIGNATURE: "x", "value": "canary"}
    assert text_at({"a": {"b": [secret]}}, "a.b[0]") == "[secret]"
    assert "canary" not in text_at({"a": {"b": [secret]}}, "a")


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(DOCUMENTS)
def test_leaves_hold_all_of_a_document(document: Any) -> None:
    found = [value for _, value in leaves(document, "x")]
    assert found
    assert all(not value or not isinstance(value, dict | list) for value in found)
