"""Encryption keys, one for each purpose."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

DELETION_WINDOW_DAYS = 30
"""How long a deleted key can be taken back: the longest that KMS allows."""


class EncryptionKey(pulumi.ComponentResource):
    """A KMS key that rotates every year, with an alias."""

    key: aws.kms.Key

    def __init__(
        self, name: str, *, purpose: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:EncryptionKey", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.key = aws.kms.Key(
            name,
            description=f"Landfall: {purpose}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            opts=child,
        )
        stack = pulumi.get_stack()
        aws.kms.Alias(
            name, name=f"alias/landfall-{stack}-{name}", target_key_id=self.key.id, opts=child
        )
        self.register_outputs({"arn": self.key.arn})
