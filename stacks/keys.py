"""Encryption keys, one for each purpose, made or adopted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.settings.adoption import Purpose
from stacks.statements import Statement, allow, document

DELETION_WINDOW_DAYS = 30
"""How long a deleted key can be taken back: the longest that KMS allows."""

USES: Mapping[Purpose, str] = {
    "artifacts": "models, engines, checkpoints",
    "datasets": "training data",
    "logs": "logs and audit trails",
    "compute": "volumes and file systems of training",
    "registry": "the model registry's database",
    "secrets": "secrets",
    "stream": "streams between site and cloud",
}

SERVICES: Mapping[Purpose, tuple[str, ...]] = {
    "logs": ("cloudtrail", "delivery.logs", "cloudwatch", "sns", "events", "budgets"),
    "stream": ("kinesis",),
}
"""AWS's own services that encrypt with a key by themselves, not for a caller that may use it."""

SPOT_AND_SCALING = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
"""The role with which Auto Scaling starts machines on encrypted volumes (its user guide)."""

LUSTRE = "aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_*"
"""The roles with which FSx reads and writes an encrypted bucket (FSx for Lustre user guide)."""

USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    """Which keys are needed, and which of them are there already (ARNs by purpose)."""

    environment: str
    account: pulumi.Output[str]
    region: str
    purposes: tuple[Purpose, ...]
    adopted: Mapping[Purpose, str]
    protect: bool


class Keys(pulumi.ComponentResource):
    """KMS keys that rotate every year. `arns` has one for each purpose."""

    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:Keys", name, {}, opts)
        self.arns = {
            purpose: pulumi.Output.from_input(args.adopted[purpose])
            if purpose in args.adopted
            else self._key(purpose, args)
            for purpose in args.purposes
        }
        self.register_outputs({"arns": self.arns})

    def _key(self, purpose: Purpose, args: KeysArgs) -> pulumi.Output[str]:
        key = aws.kms.Key(
            purpose,
            description=f"Landfall {args.environment}: {USES[purpose]}",
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_DAYS,
            policy=args.account.apply(
                lambda account: key_policy(
                    purpose,
                    account=account,
                    region=args.region,
                    environment=args.environment,
                )
            ),
            opts=pulumi.ResourceOptions(
                parent=self, protect=args.protect, retain_on_delete=args.protect
            ),
        )
        aws.kms.Alias(
            purpose,
            name=f"alias/landfall-{args.environment}-{purpose}",
            target_key_id=key.id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key.arn


def key_policy(purpose: Purpose, *, account: str, region: str, environment: str) -> str:
    """The account's own policies decide who uses a key; services only for what is the account's."""
    whole = [f"arn:aws:iam::{account}:root"]
    statements = [allow("Account", ["kms:*"], ["*"], principal={"AWS": whole})]
    if services := SERVICES.get(purpose):
        statements.append(
            allow(
                "Services",
                USE,
                ["*"],
                principal={"Service": [f"{each}.amazonaws.com" for each in services]},
                when={"StringEquals": {"aws:SourceAccount": account}},
            )
        )
    if purpose == "logs":
        statements.append(
            allow(
                "LogGroups",
                USE,
                ["*"],
                principal={"Service": [f"logs.{region}.amazonaws.com"]},
                when={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{account}:*"
                    }
                },
            )
        )
    if purpose == "compute":
        scaling = {"AWS": [f"arn:aws:iam::{account}:role/{SPOT_AND_SCALING}"]}
        statements += [
            allow("Scaling", USE, ["*"], principal=scaling),
            allow(
                "ScalingVolumes",
                ["kms:CreateGrant"],
                ["*"],
                principal=scaling,
                when={"Bool": {"kms:GrantIsForAWSResource": "true"}},
            ),
        ]
    if purpose == "datasets":
        statements.append(_for_file_systems(account))
    if purpose == "registry":
        statements += _for_tasks(account, cluster=f"landfall-{environment}-registry")
    return document(*statements)


def _for_file_systems(account: str) -> Statement:
    """FSx's own roles, whose names end in what nobody knows before, so by a condition."""
    roles = f"arn:aws:iam::{account}:role/{LUSTRE}"
    return allow(
        "FileSystems",
        ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
        ["*"],
        principal={"AWS": "*"},
        when={
            "StringEquals": {"kms:CallerAccount": account},
            "ArnLike": {"aws:PrincipalArn": roles},
        },
    )


def _for_tasks(account: str, *, cluster: str) -> list[Statement]:
    """Fargate's storage of one cluster's tasks (ECS developer guide, customer managed keys)."""
    fargate = {"Service": ["fargate.amazonaws.com"]}
    own = {
        "kms:EncryptionContext:aws:ecs:clusterAccount": account,
        "kms:EncryptionContext:aws:ecs:clusterName": cluster,
    }
    decrypt = {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}
    return [
        allow(
            "TaskStorage",
            ["kms:GenerateDataKeyWithoutPlaintext"],
            ["*"],
            principal=fargate,
            when={"StringEquals": own},
        ),
        allow(
            "TaskGrants",
            ["kms:CreateGrant"],
            ["*"],
            principal=fargate,
            when={"StringEquals": own, **decrypt},
        ),
    ]
