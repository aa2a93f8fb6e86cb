"""Inputs that do not fit the SDK are errors, all at once, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.offline import schema
from stacks.offline.check import problems
from stacks.offline.wire import UNKNOWN, Secret

pytestmark = pytest.mark.slow

VPC = "aws:ec2/vpc:Vpc"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def messages(kind: str, inputs: dict[str, Any]) -> list[str]:
    return [str(each) for each in problems(inputs, schema.resource(kind).inputs)]


@pytest.mark.parametrize(
    ("kind", "inputs", "wanted"),
    [
        (VPC, {"cidrBlok": "x"}, ["cidrBlok: no such property; did you mean cidrBlock?"]),
        (VPC, {"cidr_block": "x"}, ["cidr_block: no such property; did you mean cidrBlock?"]),
        (VPC, {"zzz": 1}, ["zzz: no such property"]),
        (VPC, {"cidrBlock": 10}, ["cidrBlock: must be a string, not a number"]),
        (
            VPC,
            {"enableDnsSupport": "true"},
            ["enableDnsSupport: must be true or false, not a string"],
        ),
        (
            VPC,
            {"ipv4NetmaskLength": True},
            ["ipv4NetmaskLength: must be a whole number, not a boolean"],
        ),
        (VPC, {"tags": {"a": 1}}, ['tags["a"]: must be a string, not a number']),
        (VPC, {"tags": ["a"]}, ["tags: must be a map, not a list"]),
        (GROUP, {"ingress": {}}, ["ingress: must be a list, not an object"]),
        (
            GROUP,
            {"ingress": [{"fromPort": "443", "protocol": "tcp", "toPrt": 1}]},
            [
                "ingress[0].fromPort: must be a whole number, not a string",
                "ingress[0].toPrt: no such property; did you mean toPort?",
                "ingress[0].toPort: missing; it must be a whole number",
            ],
        ),
        (
            TEMPLATE,
            {"blockDeviceMappings": [{"ebs": {"volumeSize": "1"}}], "imageId": 1},
            [
                "blockDeviceMappings[0].ebs.volumeSize: must be a whole number, not a string",
                "imageId: must be a string, not a number",
            ],
        ),
        (
            "aws:ec2/customerGateway:CustomerGateway",
            {},
            ["type: missing; it must be a string"],
        ),
        (VPC, {"cidrBlock": UNKNOWN, "tags": {"a": UNKNOWN}}, []),
        (VPC, {"cidrBlock": Secret("10.0.0.0/16"), "tags": Secret({"a": "b"})}, []),
        (VPC, {"cidrBlock": Secret(5)}, ["cidrBlock: must be a string, not a number"]),
        ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "b", "policy": "{}"}, []),
    ],
)
def test_problems(kind: str, inputs: dict[str, Any], wanted: list[str]) -> None:
    assert messages(kind, inputs) == wanted


def test_a_message_never_shows_a_secret() -> None:
    found = messages(VPC, {"tags": Secret("hunter2"), "cidrBlock": Secret(["hunter2"])})
    assert len(found) == 2
    assert "hunter2" not in "".join(found)
