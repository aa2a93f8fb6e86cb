"""Rules about what AWS refuses: the cases are data, and every rule is seen to fire and to rest."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.offline import constraints, schema
from stacks.offline.constraints import Planned, View
from stacks.offline.constraints.limits import Limit, limits, within_limits
from stacks.offline.constraints.registry import MODULES
from stacks.offline.schema import Field
from stacks.offline.wire import UNKNOWN

CASES = tomllib.loads((Path(__file__).parent / "cases.toml").read_text())["case"]
NAMES = [f"{index} {case['type'].rpartition(':')[2]}" for index, case in enumerate(CASES)]
RULES = [
    (token, rule) for module in MODULES for token, rules in module.RULES.items() for rule in rules
]


def marked(value: Any) -> Any:
    """The value, with "?" as a value that is not known yet."""
    if isinstance(value, dict):
        return {name: marked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    return UNKNOWN if value == "?" else value


def view_of(case: dict[str, Any]) -> View:
    others = {
        f"urn::other{index}": Planned(
            token=each["type"], inputs=marked(each["inputs"]), id=each.get("id", "")
        )
        for index, each in enumerate(case.get("others", []))
    }
    region = case.get("region", "eu-central-1")
    return View(token=case["type"], inputs=marked(case["inputs"]), region=region, others=others)


def said(case: dict[str, Any]) -> list[str]:
    found = constraints.problems(view_of(case))
    return [f"{each.path}: {each.message}" for each in found]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_case(case: dict[str, Any]) -> None:
    found, wanted = said(case), case.get("problems", [])
    assert len(found) == len(wanted), found
    assert all(any(each.startswith(start) for each in found) for start in wanted), found
    assert "hunter2" not in "".join(found)


def _name(rule: Any) -> str:
    return str(rule.__qualname__)


@pytest.mark.parametrize(
    "rule",
    sorted({rule for _, rule in RULES}, key=_name),
    ids=_name,
)
def test_every_rule_has_a_case_that_breaks_it_and_one_that_does_not(rule: Any) -> None:
    tokens = {token for token, each in RULES if each is rule}
    found = [bool(list(rule(view_of(case)))) for case in CASES if case["type"] in tokens]
    assert set(found) == {True, False}


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_what_is_not_known_yet_breaks_nothing(case: dict[str, Any]) -> None:
    inputs = dict.fromkeys(case["inputs"], UNKNOWN)
    found = constraints.problems(View(token=case["type"], inputs=inputs))
    # What is not there, and what must not be there, is wrong all the same.
    certain = ("missing", "leave it out", "a ", "must have one of", "must be true where")
    assert [str(each) for each in found if not each.message.startswith(certain)] == []


def shapes(fields: dict[str, Field], pattern: str) -> Iterator[bool]:
    """Whether each part of a pattern is there in the SDK."""
    for part in pattern.split("."):
        field = fields.get(part.removesuffix("[]"))
        yield field is not None
        if field is None:
            return
        shape = field.shape
        if part.endswith("[]"):
            yield shape.element is not None
            shape = shape.element or shape
        fields = dict(shape.fields)


@pytest.mark.slow
@pytest.mark.parametrize("limit", limits(), ids=lambda limit: f"{limit.paths[0]}")
def test_limits_are_about_properties_that_there_are(limit: Limit) -> None:
    for token in limit.types:
        fields = dict(schema.resource(token).inputs)
        assert all(all(shapes(fields, pattern)) for pattern in limit.paths), token


@pytest.mark.parametrize("limit", limits(), ids=lambda limit: f"{limit.paths[0]}")
def test_a_limit_limits(limit: Limit) -> None:
    """At the bounds and one beyond; a word that nobody has; a text without a form."""
    for low, high in limit.ranges:
        assert limit.allows(low)
        assert limit.allows(str(high))
    if limit.ranges:
        assert not limit.allows(min(low for low, _ in limit.ranges) - 1)
        assert not limit.allows(max(high for _, high in limit.ranges) + 1)
    else:
        assert not limit.allows("no such value ?!")
    assert limit.source


def test_the_longest_endpoint_policy() -> None:
    """AWS PrivateLink: 20,480 characters."""

    def found(length: int) -> list[str]:
        statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ""}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        statement["Resource"] = "x" * (length - len(json.dumps(document)))
        policy = json.dumps(document)
        assert len(policy) == length
        return said({"type": "aws:ec2/vpcEndpoint:VpcEndpoint", "inputs": {"policy": policy}})

    assert found(20480) == []
    assert found(20481) == ["policy: has 20481 characters; AWS takes 20480"]


@pytest.mark.parametrize(
    ("kind", "media", "steps"),
    [
        ("PERSISTENT_1", "SSD", [50, 100, 200]),
        ("PERSISTENT_1", "HDD", [12, 40]),
        ("PERSISTENT_2", "SSD", [125, 250, 500, 1000]),
    ],
)
def test_steps_of_throughput(kind: str, media: str, steps: list[int]) -> None:
    def right(throughput: int) -> bool:
        inputs = {
            "deploymentType": kind,
            "storageType": media,
            "perUnitStorageThroughput": throughput,
        }
        return said({"type": "aws:fsx/lustreFileSystem:LustreFileSystem", "inputs": inputs}) == []

    assert [throughput for throughput in range(0, 1100) if right(throughput)] == steps


def test_types_without_rules() -> None:
    assert constraints.rules_of("aws:sns/topicPolicy:TopicPolicy") == ()
    assert within_limits in constraints.rules_of("aws:kms/key:Key")
