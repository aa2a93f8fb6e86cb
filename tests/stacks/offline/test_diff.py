"""What changes do to resources: the cases are data, the laws are properties."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.offline import semantics
from stacks.offline.compare import Sides
from stacks.offline.conditions import CONDITIONS, CONSERVATIVE
from stacks.offline.diff import Difference, diff
from stacks.offline.stale import STALE
from stacks.offline.wire import UNKNOWN

pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"
CASES = tomllib.loads((Path(__file__).parent / "diffs.toml").read_text())["case"]
TYPES = sorted(semantics.table()["types"])

values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


def difference(
    kind: str, old: dict[str, Any], new: dict[str, Any], state: dict[str, Any] | None = None
) -> Difference:
    return diff(
        Sides(
            rules=semantics.rules(kind),
            state={**old, **(state or {})},
            old_inputs=old,
            new_inputs=new,
            account=ACCOUNT,
        )
    )


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    new = case["new"] | dict.fromkeys(case.get("unknown", ()), UNKNOWN)
    found = difference(case["type"], case["old"], new, case.get("state"))
    replaces = set(case.get("replaces", ()))
    assert set(found.replaces) == replaces
    assert set(found.changed) == replaces | set(case.get("updates", ()))
    assert found.delete_first is case.get("deletes_first", False)
    if "paths" in case:
        assert [effect.change.path for effect in found.effects] == case["paths"]
    assert case.get("warns", "") in "".join(found.notes)
    assert bool(found.notes) is ("warns" in case)


@given(kind=st.sampled_from(TYPES), data=st.data())
@settings(max_examples=200)
def test_equal_inputs_never_differ(kind: str, data: st.DataObject) -> None:
    rules = semantics.rules(kind)
    names = sorted(rules.replace | rules.optional_computed | set(rules.defaults) | {"other"})
    inputs = data.draw(st.dictionaries(st.sampled_from(names), values, max_size=5))
    assert difference(kind, inputs, inputs).effects == ()


@given(kind=st.sampled_from(TYPES), data=st.data())
@settings(max_examples=200)
def test_a_replacing_property_replaces_on_every_new_text(kind: str, data: st.DataObject) -> None:
    rules = semantics.rules(kind)
    plain = sorted(
        rules.replace - rules.conditional.keys() - rules.suppressed - rules.block_replace
    )
    if not plain:
        return
    name = data.draw(st.sampled_from(plain))
    found = difference(kind, {name: "before"}, {name: "after"})
    assert found.replaces == (name,)


@given(kind=st.sampled_from(TYPES), old=values, new=values, data=st.data())
@settings(max_examples=300)
def test_any_change_is_judged_without_falling_over(
    kind: str, old: Any, new: Any, data: st.DataObject
) -> None:
    names = sorted(semantics.rules(kind).identity - semantics.rules(kind).conditional.keys())
    if not names:
        return
    name = data.draw(st.sampled_from(names))
    found = difference(kind, {name: old}, {name: new})
    assert set(found.replaces) <= set(found.changed) <= {name}


def test_every_condition_of_the_table_has_a_function() -> None:
    """A condition that nobody wrote would count as a replacement without anyone knowing."""
    wanted = {
        (kind, name)
        for kind, entry in semantics.table()["types"].items()
        for name in entry.get("conditional_replace", ())
    }
    written = {(kind, name) for kind, names in CONDITIONS.items() for name in names}
    assert written == wanted
    assert set(CONSERVATIVE) <= wanted


def test_every_output_that_an_update_changes_has_a_function() -> None:
    wanted = {
        (kind, name)
        for kind, entry in semantics.table()["types"].items()
        for name in entry.get("computed_if", ())
    }
    assert {(kind, name) for kind, names in STALE.items() for name in names} == wanted
