"""The types and properties that rules name are those of the installed SDK."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi_aws
import pytest

from stacks.offline import schema
from stacks.policy import rules as package
from stacks.policy.rules.required_tags import taggable
from stacks.policy.rules.stateful_replacement import stateful

pytestmark = pytest.mark.slow

MODULES = [
    importlib.import_module(f"{package.__name__}.{each.name}")
    for each in pkgutil.iter_modules(package.__path__)
]
TOKEN = re.compile(r'"(aws:\w+/\w+:\w+)"')
LISTS = ("PLACES", "PATHS", "POLICIES", "DAYS", "EMPTIED", "COPIES", "KEYS", "SWITCHES", "WINDOWS")
WITH_A_VALUE = ("SWITCHES", "WINDOWS")
"""Tables in which a path comes first and something else after it."""


def paths() -> Iterator[tuple[str, str]]:
    for module in MODULES:
        for name in LISTS:
            table: dict[str, Any] = getattr(module, name, {})
            for token, value in table.items() if isinstance(table, dict) else ():
                listed = (value,) if isinstance(value, str) else value
                yield from ((token, each) for each in listed[: 1 if name in WITH_A_VALUE else None])


@pytest.mark.parametrize(("token", "path"), sorted(set(paths())))
def test_a_property_that_a_rule_reads_is_there(token: str, path: str) -> None:
    fields = schema.resource(token).inputs
    for part in path.split("."):
        assert part in fields
        shape = fields[part].shape
        while shape.element is not None:
            shape = shape.element
        fields = shape.fields


def test_every_type_that_a_rule_names_is_there() -> None:
    named = {token for module in MODULES for token in TOKEN.findall(inspect.getsource(module))}
    assert len(named) > 80
    assert named <= schema.tokens().keys()
    assert stateful().keys() <= schema.tokens().keys()


def test_the_types_that_take_tags_are_those_of_the_sdk() -> None:
    root = Path(inspect.getfile(pulumi_aws)).parent
    named = re.compile(r"super\(\w+, __self__\)\.__init__\(\s*'(aws:[^']+)'")
    found: set[str] = set()
    for path in root.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        if "def tags(self) -> pulumi.Output" in source:
            found.update(named.findall(source))
    assert taggable() == found
