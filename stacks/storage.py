"""Where models and engines are kept: versioned, encrypted, private, reached over TLS alone."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from stacks.keys import EncryptionKey


class ArtifactBucket(pulumi.ComponentResource):
    """A bucket whose content is versioned and encrypted, and that nothing public can read."""

    bucket: aws.s3.Bucket

    def __init__(
        self, name: str, key: EncryptionKey, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:ArtifactBucket", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A bucket that holds models is never lost to a rename: only its owner may delete it.
        self.bucket = aws.s3.Bucket(name, opts=child)
        aws.s3.BucketVersioning(
            name,
            bucket=self.bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=self.bucket.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key.key.arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=child,
        )
        closed = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=self.bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketOwnershipControls(
            name,
            bucket=self.bucket.id,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        aws.s3.BucketPolicy(
            name,
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(tls_only),
            # AWS refuses two changes of a bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )
        self.register_outputs({"bucket": self.bucket.id})


def tls_only(bucket_arn: str) -> str:
    """A bucket policy that refuses every request without TLS."""
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
