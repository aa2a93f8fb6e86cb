"""docs/policy.md says what the pack says."""

from __future__ import annotations

from stacks.policy.controls import CONTROLS
from stacks.policy.rule import Rule
from stacks.policy.rules import rules
from stacks.policy.settings import PolicySettings
from tests.docs.documents import document

PAGE = document("docs/policy.md")
LOOKS_AT = {"check": "a resource", "check_stack": "the stack", "check_changes": "the changes"}


def row(rule: Rule) -> list[str]:
    (looks_at,) = (words for name, words in LOOKS_AT.items() if getattr(rule, name))
    unknown = rule.unknown.replace("`", "")
    supports = ", ".join(rule.supports)
    return [rule.name, rule.description, looks_at, rule.severity.value, unknown, supports]


def test_every_rule_is_on_the_page_as_it_is() -> None:
    assert PAGE.table("rule", "what must hold") == [row(rule) for rule in rules()]


def test_every_control_is_on_the_page() -> None:
    assert PAGE.table("control", "of") == [[id, *said] for id, said in CONTROLS.items()]


def test_every_key_of_an_environments_file_is_on_the_page() -> None:
    shown = [cells[0] for cells in PAGE.table("key", "meaning")]
    assert shown == list(PolicySettings.model_fields)
