"""A new SDK that adds or drops a property is noticed before anybody relies on the table."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from stacks.offline import record, semantics

pytestmark = pytest.mark.slow


def test_the_installed_sdk_is_the_one_that_was_recorded() -> None:
    """On a difference: see to the table, then run `python -m stacks.offline.record`."""
    recorded_version, properties = record.recorded()
    assert record.differences(properties, record.live()) == []
    assert recorded_version == version(record.PACKAGE)


def test_what_a_new_sdk_changes_is_said() -> None:
    _, properties = record.recorded()
    vpc = "aws:ec2/vpc:Vpc"
    new = {**properties, vpc: properties[vpc] - {"cidrBlock string"} | {"colour string!"}}
    assert record.differences(properties, new) == [
        f"{vpc}: added colour string!",
        f"{vpc}: dropped cidrBlock string",
    ]
    gone = {token: each for token, each in properties.items() if token != vpc}
    assert f"{vpc}: dropped cidrBlock string" in record.differences(properties, gone)


def test_nested_properties_are_recorded() -> None:
    _, properties = record.recorded()
    rule = "ingress[].fromPort integer!"
    assert rule in properties["aws:ec2/securityGroup:SecurityGroup"]
    assert "arn string output" in properties["aws:ec2/vpc:Vpc"]


def test_additions_add_and_say_where_they_are_from() -> None:
    import json

    first = json.loads(semantics.TABLE.read_text())["types"]
    for token, entry in semantics.additions().items():
        assert token not in first
        assert entry["source"]
        assert entry["confidence"] in {"source", "docs"}
        assert entry["sdk"] in {"sdkv2", "plugin-framework"}
