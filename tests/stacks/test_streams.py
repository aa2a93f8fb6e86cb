"""Streams flow one way, whatever other policies allow."""

from __future__ import annotations

import pytest

from stacks.streams import cloud_trust, one_way, side_policy
from tests.stacks.iam import allowed

ACCOUNT = "111122223333"
UP, DOWN = (f"arn:aws:kinesis:eu-central-1:{ACCOUNT}:stream/{name}" for name in ("up", "down"))
SITE, CLOUD = (f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("site", "cloud"))
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/stream"

EVERYTHING = side_policy(put=[UP, DOWN], get=[UP, DOWN], key_arn=KEY)
"""A role that was given too much by mistake."""


@pytest.mark.parametrize(
    ("caller", "action", "may"),
    [
        (SITE, "kinesis:PutRecord", True),
        (SITE, "kinesis:PutRecords", True),
        (SITE, "kinesis:GetRecords", False),
        (SITE, "kinesis:GetShardIterator", False),
        (CLOUD, "kinesis:GetRecords", True),
        (CLOUD, "kinesis:PutRecord", False),
        (f"arn:aws:iam::{ACCOUNT}:role/other", "kinesis:GetRecords", False),
        (f"arn:aws:iam::{ACCOUNT}:role/other", "kinesis:PutRecord", False),
    ],
)
def test_the_streams_own_policy_keeps_the_direction(caller: str, action: str, may: bool) -> None:
    policy = one_way(UP, source=SITE, target=CLOUD, account=ACCOUNT)
    context = {"aws:PrincipalArn": caller}
    assert allowed(policy, EVERYTHING, action=action, resource=UP, context=context) is may


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("kinesis:PutRecord", UP, True),
        ("kinesis:PutRecord", DOWN, False),
        ("kinesis:GetRecords", DOWN, True),
        ("kinesis:GetRecords", UP, False),
        ("kinesis:ListShards", UP, True),
        ("kms:GenerateDataKey", KEY, True),
        ("kms:Decrypt", KEY, True),
        ("kinesis:DeleteStream", UP, False),
    ],
)
def test_what_one_side_may_do(action: str, resource: str, may: bool) -> None:
    document = side_policy(put=[UP], get=[DOWN], key_arn=KEY)
    assert allowed(document, action=action, resource=resource) is may


def test_a_side_that_only_puts_decrypts_nothing() -> None:
    document = side_policy(put=[UP], get=[], key_arn=KEY)
    assert not allowed(document, action="kms:Decrypt", resource=KEY)
    assert not allowed(document, action="kinesis:GetRecords", resource=UP)


@pytest.mark.parametrize(("account", "let_in"), [(ACCOUNT, True), ("999900001111", False)])
def test_the_clouds_side_is_taken_in_this_account(account: str, let_in: bool) -> None:
    context = {"aws:SourceAccount": account}
    assert allowed(cloud_trust(ACCOUNT), action="sts:AssumeRole", context=context) is let_in
