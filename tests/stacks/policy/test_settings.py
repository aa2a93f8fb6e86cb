"""The limits of an environment are checked as a whole, and those that ship are right."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall.errors import InvalidInput
from landfall.model.catalog import instance_types
from landfall.model.environment import names
from stacks.policy.rules import rules
from stacks.policy.settings import FOLDER, load
from tests.stacks.policy.cases import STRICT

BAD = tomllib.loads((Path(__file__).parent / "bad_settings.toml").read_text())
RULES = frozenset(rule.name for rule in rules())


@pytest.mark.parametrize("name", BAD)
def test_all_that_is_wrong_is_said_at_once(tmp_path: Path, name: str) -> None:
    case: dict[str, Any] = BAD[name]
    written = {**yaml.safe_load(STRICT.read_text()), **case["change"]}
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(written))
    with pytest.raises(InvalidInput) as caught:
        load("dev", tmp_path, RULES)
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == len(case["problems"]), said
    for wanted in case["problems"]:
        assert any(each.startswith(wanted) for each in said), said


def test_an_environment_without_limits_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        load("dev", tmp_path, RULES)


def test_each_environment_has_limits() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(names())


@pytest.mark.parametrize("name", names())
def test_the_limits_that_ship_are_right(name: str) -> None:
    limits = load(name, FOLDER, RULES)
    assert limits.instance_types.keys() <= instance_types().keys()
    assert limits.required_tags["landfall:environment"] == name


def test_prod_is_the_strictest() -> None:
    prod = load("prod", FOLDER, RULES)
    assert prod.deletion_protection
    assert not prod.stateful_replacement
    for name in names():
        other = load(name, FOLDER, RULES)
        assert prod.log_retention_days >= other.log_retention_days
        assert prod.backup_retention_days >= other.backup_retention_days
        assert prod.required_tags.keys() >= other.required_tags.keys()
