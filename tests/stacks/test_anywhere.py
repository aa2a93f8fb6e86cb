"""Which certificates get which sessions, and what these may do."""

from __future__ import annotations

import json
from itertools import product

import pytest

from stacks.anywhere import NAME_KEY, reader_policy, revocation_template, trust
from tests.stacks.iam import allowed

ANCHOR = "arn:aws:rolesanywhere:eu-central-1:111122223333:trust-anchor/1"
OTHER_ANCHOR = "arn:aws:rolesanywhere:eu-central-1:111122223333:trust-anchor/2"
BUCKET = "arn:aws:s3:::artifacts"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/artifacts"
HOSTS = ("gpu-1", "gpu-2", "gpu-3")

REVOKED = [(), ("gpu-1",), ("gpu-1", "gpu-2"), HOSTS]


@pytest.mark.parametrize(("revoked", "host"), product(REVOKED, [*HOSTS, "stranger", "gpu-1.other"]))
def test_who_gets_a_session(revoked: tuple[str, ...], host: str) -> None:
    document = trust(ANCHOR, hosts=HOSTS, revoked=revoked)
    expected = host in HOSTS and host not in revoked
    for action in ("sts:AssumeRole", "sts:SetSourceIdentity", "sts:TagSession"):
        context = {NAME_KEY: host, "aws:SourceArn": ANCHOR}
        assert allowed(document, action=action, context=context) is expected


@pytest.mark.parametrize("revoked", REVOKED)
def test_a_certificate_of_another_authority_gets_none(revoked: tuple[str, ...]) -> None:
    document = trust(ANCHOR, hosts=HOSTS, revoked=revoked)
    context = {NAME_KEY: "gpu-3", "aws:SourceArn": OTHER_ANCHOR}
    assert not allowed(document, action="sts:AssumeRole", context=context)


def test_nobody_is_let_in_where_no_host_is_named() -> None:
    document = trust(ANCHOR, hosts=(), revoked=())
    context = {NAME_KEY: "gpu-1", "aws:SourceArn": ANCHOR}
    assert not allowed(document, action="sts:AssumeRole", context=context)
    assert json.loads(document)["Statement"]


@pytest.mark.parametrize(
    ("action", "resource", "context", "may"),
    [
        ("s3:GetObject", f"{BUCKET}/released/a", {}, True),
        ("s3:GetObject", f"{BUCKET}/checkpoints/a", {}, False),
        ("s3:PutObject", f"{BUCKET}/released/a", {}, False),
        ("s3:ListBucket", BUCKET, {"s3:prefix": "released/"}, True),
        ("s3:ListBucket", BUCKET, {"s3:prefix": "registry/"}, False),
        ("s3:ListBucket", BUCKET, {}, False),
        ("kms:Decrypt", KEY, {"kms:EncryptionContext:aws:s3:arn": BUCKET}, True),
        ("kms:Decrypt", KEY, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::other"}, False),
        ("kms:GenerateDataKey", KEY, {"kms:EncryptionContext:aws:s3:arn": BUCKET}, False),
    ],
)
def test_what_a_host_may_do(action: str, resource: str, context: dict[str, str], may: bool) -> None:
    document = reader_policy(bucket_arn=BUCKET, key_arn=KEY, revoked=("gpu-1",))
    good, revoked = ({NAME_KEY: host, **context} for host in ("gpu-2", "gpu-1"))
    assert allowed(document, action=action, resource=resource, context=good) is may
    assert not allowed(document, action=action, resource=resource, context=revoked)


def test_the_authoritys_list_is_imported_for_its_anchor() -> None:
    (made,) = json.loads(revocation_template("revoked", "PEM"))["Resources"].values()
    assert made["Type"] == "AWS::RolesAnywhere::CRL"
    assert made["Properties"]["CrlData"] == "PEM"
    assert made["Properties"]["TrustAnchorArn"] == {"Ref": "Anchor"}
