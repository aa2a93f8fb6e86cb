"""Who may do what in the environment's buckets: policies, as data.

Every bucket has the same denials, and those that AWS's own services write to have what each service
documents, for resources of this account only.
"""

from __future__ import annotations

from collections.abc import Sequence

from landfall.model.classification import Classification
from stacks.statements import Statement, allow, deny

LEAST_TLS = 1.2

CLASS_TAG = "landfall:classification"
"""The tag of an object that says how far its data may go."""

SSE = "s3:x-amz-server-side-encryption"
SSE_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"
SSE_CUSTOMER = "s3:x-amz-server-side-encryption-customer-algorithm"


def closed(bucket_arn: str, *, account: str) -> list[Statement]:
    """Denials of every bucket: no other account, and nothing without TLS of at least 1.2.

    AWS's services are no principal of the account; what they may do, other statements say.
    """
    whole = [bucket_arn, f"{bucket_arn}/*"]
    foreign = {
        "StringNotEquals": {"aws:PrincipalAccount": account},
        "Bool": {"aws:PrincipalIsAWSService": "false"},
    }
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    old = {"NumericLessThan": {"s3:TlsVersion": LEAST_TLS}}
    return [
        deny("OtherAccounts", ["s3:*"], whole, principal="*", when=foreign),
        deny("WithoutTls", ["s3:*"], whole, principal="*", when=plain),
        deny("OldTls", ["s3:*"], whole, principal="*", when=old),
    ]


def own_key_only(bucket_arn: str, *, key_arn: str) -> list[Statement]:
    """Denials of uploads that name another encryption than the bucket's key.

    An upload that names none gets the bucket's default, which is that key. One that names KMS
    without a key would get AWS's own (S3 API, PutObject), so it is denied too.
    """
    named = {SSE: "false"}
    cases = {
        "OtherCipher": {"Null": named, "StringNotEquals": {SSE: "aws:kms"}},
        "OtherKey": {"Null": {SSE_KEY: "false"}, "StringNotEquals": {SSE_KEY: key_arn}},
        "KeyOfAws": {"Null": {SSE_KEY: "true"}, "StringEquals": {SSE: "aws:kms"}},
        "KeyOfCaller": {"Null": {SSE_CUSTOMER: "false"}},
    }
    objects = [f"{bucket_arn}/*"]
    return [
        deny(sid, ["s3:PutObject"], objects, principal="*", when=when)
        for sid, when in cases.items()
    ]


def classified(bucket_arn: str, *, highest: Classification) -> Statement:
    """The denial of objects whose classification is above the environment's.

    Restricted data has no way up at all: `highest` is confidential at most, whatever is written.
    """
    above = [each.value for each in Classification if not _may_hold(highest, each)]
    return deny(
        "TooSensitive",
        ["s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"],
        [f"{bucket_arn}/*"],
        principal="*",
        when={"StringEquals": {f"s3:RequestObjectTag/{CLASS_TAG}": above}},
    )


def _may_hold(highest: Classification, each: Classification) -> bool:
    return each is not Classification.RESTRICTED and highest.covers(each)


def trail_writes(bucket_arn: str, *, account: str, trail_arn: str) -> list[Statement]:
    """What CloudTrail needs for one trail (CloudTrail user guide, bucket policy for CloudTrail)."""
    service = {"Service": "cloudtrail.amazonaws.com"}
    ours = {"aws:SourceArn": trail_arn}
    owned = {"StringEquals": {**ours, "s3:x-amz-acl": "bucket-owner-full-control"}}
    logs = [f"{bucket_arn}/AWSLogs/{account}/*"]
    return [
        allow(
            "TrailAcl",
            ["s3:GetBucketAcl"],
            [bucket_arn],
            principal=service,
            when={"StringEquals": ours},
        ),
        allow("TrailWrite", ["s3:PutObject"], logs, principal=service, when=owned),
    ]


def access_log_writes(
    bucket_arn: str, *, account: str, region: str, sources: Sequence[str]
) -> list[Statement]:
    """What S3 needs to log requests for `sources`, and load balancers to log theirs.

    Sources: S3 user guide (permissions for log delivery), Elastic Load Balancing user guide
    (access logs of an Application Load Balancer).
    """
    own = {"aws:SourceAccount": account}
    balancers = f"arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/*"
    return [
        allow(
            "BucketLogs",
            ["s3:PutObject"],
            [f"{bucket_arn}/s3/*"],
            principal={"Service": "logging.s3.amazonaws.com"},
            when={"StringEquals": own, "ArnEquals": {"aws:SourceArn": list(sources)}},
        ),
        allow(
            "BalancerLogs",
            ["s3:PutObject"],
            [f"{bucket_arn}/*/AWSLogs/{account}/*"],
            principal={"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            when={"ArnLike": {"aws:SourceArn": balancers}},
        ),
    ]
