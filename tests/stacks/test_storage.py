"""What the buckets' policies let through, and what they keep out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from landfall.model.classification import Classification
from stacks.bucket_policies import classified
from stacks.settings.parts import Storage
from stacks.storage import BucketsArgs, bucket_policy
from tests.stacks import components
from tests.stacks.components import ACCOUNT, key_arn
from tests.stacks.iam import allowed, denied

RESTRICTED = Classification.RESTRICTED

PARTS = ("datasets", "artifacts", "logs", "access")

ARNS = {part: f"arn:aws:s3:::landfall-dev-{part}-{ACCOUNT}" for part in PARTS}

KNOWN: dict[str, Any] = {
    "account": ACCOUNT,
    "arns": ARNS,
    "keys": {part: key_arn(part) for part in PARTS if part != "access"},
}

OWN = {
    "aws:PrincipalAccount": ACCOUNT,
    "aws:PrincipalIsAWSService": "false",
    "aws:SecureTransport": "true",
    "s3:TlsVersion": "1.3",
}
"""A request of the account's own, as it should be."""

SSE = "s3:x-amz-server-side-encryption"
KEY = f"{SSE}-aws-kms-key-id"
CLASS = "s3:RequestObjectTag/landfall:classification"
TRAIL = f"arn:aws:cloudtrail:{components.REGION}:{ACCOUNT}:trail/landfall-dev"


def policy(part: str, data_class: Classification = Classification.INTERNAL) -> str:
    args = BucketsArgs(
        place=components.place(data_class=data_class), storage=Storage(), trail="landfall-dev"
    )
    return bucket_policy(part, args, KNOWN)


def puts(
    part: str, change: dict[str, str], highest: Classification = Classification.INTERNAL
) -> bool:
    """Whether an upload gets past the bucket's denials."""
    document = policy(part, highest)
    target = f"{ARNS[part]}/a"
    return not denied(document, action="s3:PutObject", resource=target, context=OWN | change)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aws:PrincipalAccount": "999900001111"}, "another account"),
        ({"aws:SecureTransport": "false"}, "no TLS"),
        ({"s3:TlsVersion": "1.1"}, "TLS before 1.2"),
    ],
)
def test_no_bucket_takes_anything_from(part: str, change: dict[str, str], reason: str) -> None:
    read = {"action": "s3:GetObject", "resource": f"{ARNS[part]}/a"}
    assert not denied(policy(part), context=OWN, **read)
    assert denied(policy(part), context=OWN | change, **read), reason


@pytest.mark.parametrize("part", ["datasets", "artifacts", "logs"])
@pytest.mark.parametrize(
    ("named", "let_in"),
    [
        ({}, True),  # the bucket's default: its own key
        ({SSE: "aws:kms", KEY: "own"}, True),
        ({SSE: "aws:kms", KEY: key_arn("other")}, False),
        ({SSE: "aws:kms"}, False),  # that would be a key of AWS's own
        ({SSE: "AES256"}, False),
        ({"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}, False),
    ],
)
def test_an_upload_is_encrypted_with_the_buckets_key_or_refused(
    part: str, named: dict[str, str], let_in: bool
) -> None:
    own = {name: key_arn(part) if value == "own" else value for name, value in named.items()}
    assert puts(part, own) is let_in


@pytest.mark.parametrize("highest", [each for each in Classification if each.value != "restricted"])
@pytest.mark.parametrize("tagged", list(Classification))
def test_data_above_the_environments_class_has_no_way_up(
    highest: Classification, tagged: Classification
) -> None:
    assert puts("datasets", {CLASS: tagged.value}, highest) is highest.covers(tagged)


def test_restricted_data_has_no_way_up_even_where_the_settings_were_wrong() -> None:
    document = json.dumps({"Statement": [classified(ARNS["datasets"], highest=RESTRICTED)]})
    context = {CLASS: "restricted"}
    assert denied(
        document, action="s3:PutObject", resource=f"{ARNS['datasets']}/a", context=context
    )


def test_a_tag_cannot_be_raised_afterwards() -> None:
    retag = {"action": "s3:PutObjectTagging", "resource": f"{ARNS['datasets']}/a"}
    assert denied(policy("datasets"), context=OWN | {CLASS: "restricted"}, **retag)


def service(source_arn: str, **more: str) -> dict[str, str]:
    return {
        "aws:PrincipalIsAWSService": "true",
        "aws:SecureTransport": "true",
        "aws:SourceArn": source_arn,
        "s3:x-amz-acl": "bucket-owner-full-control",
        **more,
    }


@pytest.mark.parametrize(
    ("trail", "let_in"), [(TRAIL, True), (TRAIL.replace(ACCOUNT, "999900001111"), False)]
)
def test_only_the_environments_trail_writes_to_the_logs(trail: str, let_in: bool) -> None:
    document, logs = policy("logs"), f"{ARNS['logs']}/AWSLogs/{ACCOUNT}/x"
    put = {SSE: "aws:kms", KEY: key_arn("logs")}
    context = service(trail, **put)
    assert allowed(document, action="s3:PutObject", resource=logs, context=context) is let_in
    bucket = {"action": "s3:GetBucketAcl", "resource": ARNS["logs"]}
    assert allowed(document, context=service(trail), **bucket) is let_in


@pytest.mark.parametrize(
    ("source", "target", "let_in"),
    [
        (ARNS["datasets"], "s3/datasets/x", True),
        ("arn:aws:s3:::somebody-elses", "s3/datasets/x", False),
        (
            f"arn:aws:elasticloadbalancing:{components.REGION}:{ACCOUNT}:loadbalancer/app/a/b",
            f"balancers/registry/AWSLogs/{ACCOUNT}/x",
            True,
        ),
        (
            f"arn:aws:elasticloadbalancing:{components.REGION}:999900001111:loadbalancer/app/a/b",
            f"balancers/registry/AWSLogs/{ACCOUNT}/x",
            False,
        ),
    ],
)
def test_access_logs_come_from_our_own_resources(source: str, target: str, let_in: bool) -> None:
    context = service(source, **{"aws:SourceAccount": ACCOUNT})
    resource = f"{ARNS['access']}/{target}"
    document = policy("access")
    assert allowed(document, action="s3:PutObject", resource=resource, context=context) is let_in
