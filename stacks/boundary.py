"""The permissions boundary: what no role of an environment may ever do, whatever else allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from stacks.statements import Statement, allow, deny, document

SERVICES = (
    "acm", "acm-pca", "application-autoscaling", "autoscaling", "batch", "budgets", "ce",
    "cloudformation", "cloudtrail", "cloudwatch", "directconnect", "ec2", "ec2messages", "ecr",
    "ecs", "eks", "eks-auth", "elasticloadbalancing", "events", "fsx", "guardduty", "iam",
    "kinesis", "kms", "logs", "rds", "rolesanywhere", "route53", "route53resolver", "s3",
    "secretsmanager", "servicequotas", "sns", "sqs", "ssm", "ssmmessages", "sts", "tag",
)  # fmt: skip
"""The services that the stacks and what runs in them use. A boundary grants nothing by itself."""

WITHOUT_REGION = ("budgets", "ce", "iam", "route53", "sts")
"""Services whose requests go to one region whatever they are about (IAM user guide, global
services); residency is asked of all others."""

STANDING_CREDENTIALS = (
    "iam:*AccessKey*", "iam:*Group", "iam:*LoginProfile", "iam:*SSHPublicKey",
    "iam:*ServiceSpecificCredential", "iam:*SigningCertificate", "iam:*User", "iam:*UserPolicy",
)  # fmt: skip
"""Whatever makes or changes a user, or a key that does not expire."""

WAYS_OUT = (
    "ec2:AllocateAddress", "ec2:AssociateAddress", "ec2:AttachInternetGateway",
    "ec2:CreateCarrierGateway", "ec2:CreateEgressOnlyInternetGateway",
    "ec2:CreateInternetGateway", "ec2:CreateNatGateway", "s3:PutAccountPublicAccessBlock",
)  # fmt: skip
"""Whatever makes a public way in or out of a network, or lifts the account's own bar to it."""


@dataclass(frozen=True, kw_only=True)
class PermissionsBoundaryArgs:
    """What the boundary needs to know.

    Attributes:
        environment: whose boundary it is.
        account: in which it stands.
        residency: the regions in which anything may be done.
    """

    environment: str
    account: pulumi.Output[str]
    residency: tuple[str, ...]


class PermissionsBoundary(pulumi.ComponentResource):
    """The boundary of every role. `arn` is known before it stands, as roles name it."""

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: PermissionsBoundaryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("landfall:index:PermissionsBoundary", name, {}, opts)
        policy = aws.iam.Policy(
            name,
            name=boundary_name(args.environment),
            description=f"Landfall {args.environment}: what no role may do",
            policy=args.account.apply(
                partial(boundary, environment=args.environment, residency=args.residency)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = policy.arn
        self.register_outputs({"arn": self.arn})


def boundary_name(environment: str) -> str:
    """The policy's name."""
    return f"landfall-{environment}-boundary"


def boundary(account: str, *, environment: str, residency: Sequence[str]) -> str:
    """The policy document."""
    own = f"arn:aws:iam::{account}:policy/{boundary_name(environment)}"
    return document(
        allow("Services", [f"{service}:*" for service in SERVICES], ["*"]),
        deny("StandingCredentials", STANDING_CREDENTIALS, ["*"]),
        deny("WaysOut", WAYS_OUT, ["*"]),
        deny(
            "PublicAddress",
            ["ec2:RunInstances"],
            ["arn:aws:ec2:*:*:network-interface/*"],
            when={"Bool": {"ec2:AssociatePublicIpAddress": "true"}},
        ),
        *_kept(own),
        _elsewhere(residency),
    )


def _kept(own: str) -> list[Statement]:
    """Denials of every way around the boundary itself."""
    change = ["iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion",
              "iam:SetDefaultPolicyVersion"]  # fmt: skip
    give = ["iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy"]  # fmt: skip
    return [
        deny("BoundaryItself", change, [own]),
        deny("NoBoundary", ["iam:DeleteRolePermissionsBoundary"], ["*"]),
        deny(
            "OtherBoundary",
            give,
            ["*"],
            when={"StringNotEquals": {"iam:PermissionsBoundary": own}},
        ),
    ]


def _elsewhere(residency: Sequence[str]) -> Statement:
    """The denial of everything that has a region, in any other."""
    return {
        "Sid": "OutsideResidency",
        "Effect": "Deny",
        "NotAction": [f"{service}:*" for service in WITHOUT_REGION],
        "Resource": ["*"],
        "Condition": {"StringNotEquals": {"aws:RequestedRegion": list(residency)}},
    }
