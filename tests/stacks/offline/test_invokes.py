"""The provider's functions, answered without an account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.offline import semantics
from stacks.offline.invokes import invoke
from stacks.offline.policy_document import document
from stacks.offline.prepare import Surroundings
from stacks.offline.wire import Secret, holds

AROUND = Surroundings(account="123456789012", region="eu-central-1")
REQUIRED: dict[str, Any] = {
    "instanceType": "g6.xlarge", "name": "n", "keyId": "alias/k", "secretId": "s",
    "capacityDurationHours": 24, "instanceCount": 1,
}  # fmt: skip


def call(name: str, /, **inputs: Any) -> dict[str, Any]:
    result, problems = invoke(name, inputs, AROUND)
    assert [str(each) for each in problems] == []
    return result


def errors(name: str, /, **inputs: Any) -> list[str]:
    return [str(each) for each in invoke(name, inputs, AROUND)[1]]


@pytest.mark.parametrize("name", sorted(semantics.table()["invokes"]))
def test_every_function_of_the_table_answers_and_always_the_same(name: str) -> None:
    accepted = semantics.table()["invokes"][name]["inputs"]
    inputs = {key: value for key, value in REQUIRED.items() if key in accepted}
    result = call(name, **inputs)
    assert result == call(name, **inputs)
    assert not result.keys() - semantics.table()["invokes"][name]["result"].keys()
    if "getPolicyDocument" not in name:
        assert not holds(result, lambda value: isinstance(value, str) and "{" in value)


def test_availability_zones() -> None:
    name = "aws:index/getAvailabilityZones:getAvailabilityZones"
    found = call(name, state="available")
    assert found["names"] == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    assert found["zoneIds"] == ["euc1-az1", "euc1-az2", "euc1-az3"]
    assert call(name, region="us-east-1")["zoneIds"][0] == "use1-az1"
    assert call(name, excludeNames=["eu-central-1b"])["names"] == ["eu-central-1a", "eu-central-1c"]
    kept = [{"name": "zone-name", "values": ["eu-central-1c"]}]
    assert call(name, filters=kept)["names"] == ["eu-central-1c"]
    standard = [{"name": "opt-in-status", "values": ["opt-in-not-required"]}]
    assert len(call(name, filters=standard)["names"]) == 3
    assert call(name, filters=[{"name": "zone-type", "values": ["local-zone"]}])["names"] == []


def test_region_caller_and_partition() -> None:
    region = call("aws:index/getRegion:getRegion")
    assert (region["name"], region["endpoint"]) == (
        "eu-central-1",
        "ec2.eu-central-1.amazonaws.com",
    )
    name = "aws:index/getRegion:getRegion"
    assert errors(name, region="eu-west-1", endpoint="ec2.us-east-1.amazonaws.com") == [
        "endpoint: belongs to us-east-1, not to eu-west-1"
    ]
    caller = call("aws:index/getCallerIdentity:getCallerIdentity")
    assert caller["accountId"] == caller["id"] == "123456789012"
    assert caller["arn"].startswith("arn:aws:iam::123456789012:user/")
    assert call("aws:index/getPartition:getPartition")["dnsSuffix"] == "amazonaws.com"


def test_images() -> None:
    name = "aws:ec2/getAmi:getAmi"
    ubuntu = call(name, owners=["099720109477"], mostRecent=True)
    assert ubuntu["id"] == ubuntu["imageId"]
    assert ubuntu["arn"] == f"arn:aws:ec2:eu-central-1::image/{ubuntu['id']}"
    assert ubuntu["id"] != call(name, owners=["amazon"], mostRecent=True)["id"]
    assert errors(name, mostRecent=True) == [
        "owners: missing; the newest image of any owner may be anybody's"
    ]


def test_secrets_are_secret() -> None:
    parameter = call("aws:ssm/getParameter:getParameter", name="/a")
    assert isinstance(parameter["value"], Secret)
    version = call("aws:secretsmanager/getSecretVersion:getSecretVersion", secretId="s")
    assert isinstance(version["secretString"], Secret)
    assert version["id"] == "s|AWSCURRENT"


def test_wrong_calls() -> None:
    assert errors("aws:ec2/getInstances:getInstances") == [
        "the offline provider cannot answer aws:ec2/getInstances:getInstances; "
        "did you mean aws:ec2/getInstanceType:getInstanceType?"
    ]
    assert errors("aws:ec2/getVpc:getVpc", cidrblock="x") == [
        "cidrblock: no such argument; did you mean cidrBlock?"
    ]
    assert errors("aws:ec2/getInstanceType:getInstanceType") == ["instanceType: missing"]


def test_a_policy_document_is_written_as_the_provider_writes_it() -> None:
    result, problems = document(
        {
            "statements": [
                {
                    "sid": "Read",
                    "actions": ["s3:GetObject", "s3:PutObject", "s3:GetObject"],
                    "resources": ["arn:aws:s3:::b/&{aws:username}"],
                    "principals": [{"type": "AWS", "identifiers": ["*"]}],
                    "conditions": [{"test": "Bool", "variable": "v", "values": ["a<b"]}],
                }
            ]
        }
    )
    assert problems == []
    assert result["minifiedJson"] == (
        '{"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow",'
        '"Action":["s3:PutObject","s3:GetObject"],"Resource":"arn:aws:s3:::b/${aws:username}",'
        '"Principal":{"AWS":"*"},"Condition":{"Bool":{"v":"a\\u003cb"}}}]}'
    )
    assert json.loads(result["json"]) == json.loads(result["minifiedJson"])
    assert result["json"].startswith('{\n  "Version": "2012-10-17"')


def test_policy_documents_are_merged_by_sid() -> None:
    source = '{"Version":"2008-10-17","Statement":{"Sid":"A","Effect":"Allow","Action":"a:B"}}'
    override = '{"Statement":[{"Sid":"A","Effect":"Deny","Action":"a:B"}]}'
    result, _ = document({"sourcePolicyDocuments": [source], "overridePolicyDocuments": [override]})
    merged = json.loads(result["json"])
    assert merged["Version"] == "2012-10-17"
    assert merged["Statement"] == [{"Sid": "A", "Effect": "Deny", "Action": "a:B"}]


def test_everything_wrong_with_a_policy_document_at_once() -> None:
    statements = [{"sid": "A"}, {"sid": "A"}]
    _, problems = document(
        {"statements": statements, "sourceJson": "x", "sourcePolicyDocuments": ["["]}
    )
    assert [each.path for each in problems] == [
        "sourceJson",
        "sourcePolicyDocuments[0]",
        "statements",
    ]
