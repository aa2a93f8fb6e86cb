"""Outputs that follow from more than the table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stacks.offline.special import values
from stacks.offline.templates import Source

STACK, DATABASE = "aws:cloudformation/stack:Stack", "aws:rds/instance:Instance"
SECRET = {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "landfall-dev-a"}}


def found(token: str, given: dict[str, Any]) -> dict[str, Any]:
    source = Source(
        seed="seed",
        names=given.get,
        account="111122223333",
        region="eu-central-1",
        what="Stack.outputs",
    )
    return dict(values(token, given.get, source))


def template(resource: dict[str, Any]) -> dict[str, str]:
    held = {"Resources": {"A": resource}, "Outputs": {"Made": {"Value": {"Ref": "A"}}}}
    return {"templateBody": json.dumps(held)}


def test_a_reference_to_a_secret_is_its_arn() -> None:
    arn = found(STACK, template(SECRET))["outputs"]["Made"]
    start = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:landfall-dev-a-"
    assert arn.startswith(start)
    assert len(arn) == len(start) + 6


def test_any_other_output_says_that_it_is_made_up() -> None:
    outputs = found(STACK, template({"Type": "AWS::RolesAnywhere::CRL"}))["outputs"]
    assert outputs == {"Made": "offline:Stack.outputs.Made"}


@pytest.mark.parametrize("body", [None, "Resources:\n  A: yaml", "{"])
def test_a_template_that_cannot_be_read_names_no_outputs(body: str | None) -> None:
    assert found(STACK, {"templateBody": body}) == {}


def test_a_database_has_a_secret_where_it_is_asked_to() -> None:
    given = {"manageMasterUserPassword": True, "masterUserSecretKmsKeyId": "key", "id": "db-A"}
    (secret,) = found(DATABASE, given)["masterUserSecrets"]
    assert secret["secretArn"].startswith(
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-A-"
    )
    assert (secret["kmsKeyId"], secret["secretStatus"]) == ("key", "active")
    assert found(DATABASE, {})["masterUserSecrets"] == []


def test_other_types_have_nothing_special() -> None:
    assert found("aws:s3/bucket:Bucket", {}) == {}
