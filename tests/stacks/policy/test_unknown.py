"""A value that is not known yet neither crashes a rule nor makes a violation pass in silence.

Each property of each case, at any depth, is put out of sight in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from stacks.policy.rule import Finding
from stacks.policy.rules import rules
from stacks.policy.values import UNKNOWN
from tests.stacks.policy.cases import Case, findings, load, unknown, urn

RULES = {rule.name: rule for rule in rules() if rule.check_changes is None}
STOPPED = Finding(path="", message="", undecided=True)
CASES = [case for name in RULES for case in load(name)]


def hidden(value: Any) -> Iterator[Any]:
    """Copies of a value, each with one thing in it not known."""
    if value is not UNKNOWN:
        yield UNKNOWN
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from ({**value, name: instead} for instead in hidden(each))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from ([*value[:index], instead, *value[index + 1 :]] for instead in hidden(each))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_unknown_value_never_hides_a_finding(case: Case) -> None:
    rule = RULES[case.rule]
    before = {each.urn for each in findings(rule, case)}
    for name, declared in case.resources.items():
        props = unknown(declared.props)
        for prop in props:
            for instead in hidden(props[prop]):
                changed = {**props, prop: instead}
                found = findings(rule, case, instead={name: changed})
                after = {each.urn for each in found}
                # Where a name is hidden, what it named is found instead.
                as_many = len(after) >= len(before)
                assert urn(case, name) not in before or urn(case, name) in after or as_many, changed
                if rule.check_stack is not None:
                    assert STOPPED not in found, "the rule never got to the other resources"
