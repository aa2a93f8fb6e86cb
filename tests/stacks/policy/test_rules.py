"""Every rule finds what it should and nothing else, in data: cases/<rule>.yaml."""

from __future__ import annotations

import re

import pytest

from stacks.policy.controls import CONTROLS, NIST
from stacks.policy.rule import Finding, Rule
from stacks.policy.rules import rules
from tests.stacks.policy.cases import FOLDER, Case, findings, load

RULES = {rule.name: rule for rule in rules()}
WITH_CASES = {name: rule for name, rule in RULES.items() if rule.check_changes is None}
CASES = [case for name in WITH_CASES for case in load(name)]


def line(found: Finding) -> str:
    name = found.urn.rpartition("::")[2]
    return f"{name} {found.path}: {found.message}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_rule_finds_this(case: Case) -> None:
    found = findings(RULES[case.rule], case)
    wrong = [line(each) for each in found if not each.undecided]
    unmatched = [text for text in case.finds if not any(text in each for each in wrong)]
    assert not unmatched, wrong
    unexpected = [each for each in wrong if not any(text in each for text in case.finds)]
    assert not unexpected
    assert sorted(each.path for each in found if each.undecided) == sorted(case.undecided)


@pytest.mark.parametrize("name", WITH_CASES)
def test_a_rule_has_both_kinds_of_cases(name: str) -> None:
    for_engine = [case for case in load(name) if case.for_engine]
    assert any(case.finds for case in for_engine), "no failing case that the engine takes"
    assert any(not case.finds for case in for_engine), "no passing case that the engine takes"


def test_no_case_is_of_a_rule_that_is_not_there() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == WITH_CASES.keys()


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_rule_says_what_it_is(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert rule.description.endswith(".")
    assert rule.remedy.endswith(".")
    assert set(rule.supports) <= CONTROLS.keys()
    assert any(CONTROLS[each][0] == NIST for each in rule.supports)
    assert "compl" not in f"{rule.description} {rule.remedy}".lower()


def test_there_are_enough_rules_and_each_control_is_supported() -> None:
    assert len(RULES) >= 28
    supported = {control for rule in RULES.values() for control in rule.supports}
    assert supported == CONTROLS.keys()
