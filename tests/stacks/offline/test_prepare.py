"""What a provider fills in before it compares."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.offline import prepare, schema, semantics
from stacks.offline.prepare import Surroundings
from stacks.offline.wire import UNKNOWN, Secret

URN = "urn:pulumi:dev::landfall::landfall:Network${}::{}"
AROUND = Surroundings(account="123456789012", region="eu-central-1")


def fill(
    kind: str,
    news: dict[str, Any],
    olds: dict[str, Any] | None = None,
    *,
    around: Surroundings = AROUND,
    name: str = "thing",
    replaced: str = "",
) -> dict[str, Any]:
    return prepare.fill(
        news,
        olds or {},
        urn=URN.format(kind, name),
        schema=schema.resource(kind),
        rules=semantics.rules(kind),
        around=around,
        replaced=replaced,
    )


def test_defaults_are_written_unless_they_are_false_or_given() -> None:
    found = fill("aws:ec2/subnet:Subnet", {"vpcId": "vpc-1"})
    assert found == {"vpcId": "vpc-1", "region": "eu-central-1", "tagsAll": {}, "__defaults": []}
    found = fill("aws:ec2/vpc:Vpc", {"instanceTenancy": "dedicated"})
    assert found["instanceTenancy"] == "dedicated"
    assert found["enableDnsSupport"] is True
    assert found["__defaults"] == ["enableDnsSupport"]


@pytest.mark.parametrize(
    ("kind", "given_inputs", "pattern"),
    [
        ("aws:ec2/securityGroup:SecurityGroup", {}, r"Thing-[0-9a-f]{7}"),
        ("aws:s3/bucket:Bucket", {}, r"thing-[0-9a-f]{7}"),
        ("aws:kms/alias:Alias", {}, r"alias/Thing-[0-9a-f]{7}"),
        ("aws:sqs/queue:Queue", {"fifoQueue": True}, r"Thing-[0-9a-f]{7}\.fifo"),
        ("aws:rds/instance:Instance", {"engine": "postgres"}, r"Thing[0-9a-f]{7}"),
        ("aws:rds/instance:Instance", {"engine": "sqlserver-ex"}, r"Thing[0-9a-f]{3}"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", {"bucket": "b"}, r"Thing"),
    ],
)
def test_automatic_names(kind: str, given_inputs: dict[str, Any], pattern: str) -> None:
    autoname = semantics.rules(kind).autoname
    assert autoname is not None
    found = fill(kind, given_inputs, name="Thing")
    assert re.fullmatch(pattern, found[autoname.prop])
    assert autoname.prop in found["__defaults"]
    assert fill(kind, given_inputs, name="Thing") == found
    assert fill(kind, given_inputs, found, name="Thing") == found


def test_a_name_is_kept_until_the_program_chooses_one() -> None:
    kind = "aws:iam/role:Role"
    first = fill(kind, {"assumeRolePolicy": "{}"})
    kept = fill(kind, {"assumeRolePolicy": "{}"}, {**first, "name": "thing-old"})
    assert kept["name"] == "thing-old"
    chosen = fill(kind, {"assumeRolePolicy": "{}", "name": "mine"}, first)
    assert (chosen["name"], "name" in chosen["__defaults"]) == ("mine", False)
    assert "name" not in fill(kind, {"namePrefix": "mine-"})


def test_a_replacement_gets_another_name() -> None:
    kind = "aws:ec2/securityGroup:SecurityGroup"
    first = fill(kind, {})["name"]
    second = fill(kind, {}, replaced=first)["name"]
    assert second != first
    assert fill(kind, {}, replaced=first)["name"] == second


@given(length=st.integers(1, 300))
def test_a_name_is_never_too_long(length: int) -> None:
    found = fill("aws:iam/role:Role", {}, name="x" * length)
    assert len(found["name"]) <= 64


def test_tags_are_merged_and_ignored_ones_are_dropped() -> None:
    around = Surroundings(
        account="1",
        region="eu-central-1",
        default_tags={"Owner": "team", "Env": "dev"},
        ignored_tags=frozenset({"Env"}),
        ignored_prefixes=("aws:",),
    )
    found = fill("aws:ec2/vpc:Vpc", {"tags": {"Owner": "me", "aws:x": "y"}}, around=around)
    assert found["tagsAll"] == {"Owner": "me"}
    assert fill("aws:ec2/vpc:Vpc", {"tags": UNKNOWN}, around=around)["tagsAll"] is UNKNOWN
    secret = fill("aws:ec2/vpc:Vpc", {"tags": Secret({"a": "b"})}, around=around)
    assert secret["tagsAll"] == Secret({"Owner": "team", "a": "b"})


def test_policies_given_as_objects_become_text() -> None:
    kind = "aws:iam/role:Role"
    found = fill(kind, {"assumeRolePolicy": {"Version": "2012-10-17"}})
    assert found["assumeRolePolicy"] == '{"Version":"2012-10-17"}'
    assert fill(kind, {"assumeRolePolicy": {"a": UNKNOWN}})["assumeRolePolicy"] is UNKNOWN
    assert fill(kind, {"assumeRolePolicy": {"a": Secret(1)}})["assumeRolePolicy"] == Secret(
        '{"a":1}'
    )
