"""What a workflow may do that previews, and one that applies: policies, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stacks.boundary import STANDING_CREDENTIALS, WITHOUT_REGION
from stacks.statements import Statement, allow, deny, document

READING = ("BatchGet", "Describe", "Get", "List", "Lookup")
"""How the names of actions begin that change nothing."""

_ALL = ("*Tag*", "Create*", "Delete*", "Describe*", "Get*", "List*", "Update*")

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "acm": ("Describe*", "List*"),
    "acm-pca": ("Describe*", "List*"),
    "autoscaling": (*_ALL, "Attach*", "Detach*", "Put*", "Set*", "Start*", "Suspend*"),
    "batch": (*_ALL, "Register*", "Deregister*"),
    "budgets": ("Create*", "Delete*", "Describe*", "Execute*", "Modify*", "Update*", "View*"),
    "ce": ("Get*", "List*", "UpdateCostAllocationTagsStatus"),
    "cloudformation": (*_ALL, "SetStackPolicy", "ValidateTemplate"),
    "cloudtrail": (*_ALL, "Put*", "StartLogging"),
    "cloudwatch": ("DeleteAlarms", "Describe*", "List*", "PutMetricAlarm", "*Tag*"),
    "directconnect": (*_ALL, "Allocate*", "Associate*", "Confirm*", "Disassociate*"),
    "ec2": (
        "Accept*", "Associate*", "Attach*", "Authorize*", "Cancel*", "Create*", "Delete*",
        "Describe*", "Detach*", "Disable*", "Disassociate*", "Enable*", "GetEbs*",
        "GetManagedPrefixList*", "GetTransitGateway*", "GetVpn*", "Modify*",
        "PurchaseCapacityBlock", "Release*", "Replace*", "Revoke*", "RunInstances", "Terminate*",
    ),
    "ecr": (
        "BatchDeleteImage", "CreateRepository", "DeleteLifecyclePolicy", "DeleteRepository*",
        "Describe*", "GetLifecyclePolicy", "GetRegistry*", "GetRepositoryPolicy", "List*",
        "PutImage*Configuration", "PutImageTagMutability", "PutLifecyclePolicy",
        "PutRegistryScanningConfiguration", "SetRepositoryPolicy", "*Tag*",
    ),
    "ecs": (*_ALL, "Deregister*", "Put*", "Register*"),
    "eks": (*_ALL, "Associate*", "Disassociate*"),
    "elasticloadbalancing": (*_ALL, "Add*", "Deregister*", "Modify*", "Register*", "Remove*",
                             "Set*"),
    "events": (*_ALL, "Disable*", "Enable*", "Put*", "Remove*"),
    "fsx": (*_ALL, "Associate*", "Disassociate*"),
    "guardduty": (*_ALL,),
    "kinesis": (
        "CreateStream", "Decrease*", "DeleteResourcePolicy", "DeleteStream",
        "Describe*", "GetResourcePolicy", "Increase*", "List*", "PutResourcePolicy",
        "StartStreamEncryption", "*Tag*", "Update*",
    ),
    "kms": (
        "CreateAlias", "CreateGrant", "CreateKey", "DeleteAlias", "DescribeKey",
        "EnableKeyRotation", "GetKey*", "List*", "PutKeyPolicy", "ScheduleKeyDeletion", "*Tag*",
        "Update*",
    ),
    "logs": (
        "Associate*", "CreateLogGroup", "CreateLogDelivery", "DeleteLog*", "DeleteResourcePolicy",
        "DeleteRetentionPolicy", "Describe*", "Disassociate*", "List*", "Put*Policy",
        "PutSubscriptionFilter", "*Tag*",
    ),
    "rds": (*_ALL, "Modify*", "Reboot*", "Reset*"),
    "rolesanywhere": (*_ALL, "Disable*", "Enable*", "Import*", "Put*", "Reset*"),
    "route53": (*_ALL, "Associate*", "Change*", "Disassociate*"),
    "route53resolver": (*_ALL, "Associate*", "Disassociate*", "Put*"),
    "s3": (
        "CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetAccelerateConfiguration",
        "GetBucket*", "GetEncryptionConfiguration", "GetLifecycleConfiguration",
        "GetReplicationConfiguration", "ListAllMyBuckets", "ListBucket", "PutBucket*",
        "PutEncryptionConfiguration", "PutLifecycleConfiguration",
    ),
    "secretsmanager": (
        "CreateSecret", "DeleteSecret", "DescribeSecret", "GetRandomPassword",
        "GetResourcePolicy", "List*", "PutResourcePolicy", "RotateSecret", "*Tag*",
        "UpdateSecret",
    ),
    "servicequotas": ("Get*", "List*", "RequestServiceQuotaIncrease"),
    "sns": (*_ALL, "Set*", "Subscribe", "Unsubscribe"),
    "sqs": (*_ALL, "Set*"),
    "ssm": (*_ALL, "Add*", "Put*", "Remove*"),
    "sts": ("GetCallerIdentity",),
    "tag": ("Get*",),
}  # fmt: skip
"""What creating, changing and deleting the stacks' resources takes; nobody's data is among it.

Roles have statements of their own: which roles may be touched, and with which boundary.
"""

DATA = (
    "dynamodb:GetItem", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "kinesis:GetRecords",
    "logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery", "secretsmanager:GetSecretValue",
    "secretsmanager:BatchGetSecretValue", "ssm:GetParameterHistory", "ec2:GetConsoleOutput",
    "ec2:GetPasswordData",
)  # fmt: skip
"""Ways to what the environment holds, which neither previewing nor applying needs."""

KEEPERS = ("secretsmanager.*.amazonaws.com", "rds.*.amazonaws.com")
"""Services that make a secret under a key with the caller's right to that key (their user guides).
What they keep is not read through them: its actions are among `DATA`."""

ROLE_READS = ("iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy")

ROLE_CHANGES = (
    "iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:CreateServiceLinkedRole",
    "iam:DeleteInstanceProfile", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
    "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile", "iam:TagRole",
    "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
)  # fmt: skip

POLICY_CHANGES = ("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy",
                  "iam:DeletePolicyVersion", "iam:TagPolicy", "iam:UntagPolicy")  # fmt: skip
"""A policy gives nothing until it is attached, and that needs the boundary."""

ROLE_GRANTS = ("iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePermissionsBoundary",
               "iam:PutRolePolicy")  # fmt: skip
"""What may be done with a role only where it has the boundary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the policies are about.

    Attributes:
        account: whose resources they are.
        residency: the regions in which anything may be changed.
        role_path: below which roles may be changed and handed on.
        boundary_arn: the boundary that every role must keep; None where there is none.
        state_bucket: the ARN of the bucket of Pulumi's state; None where it is elsewhere.
        state_key: the key that encrypts state and its secrets.
    """

    account: str
    residency: tuple[str, ...]
    role_path: str = "/"
    boundary_arn: str | None = None
    state_bucket: str | None = None
    state_key: str | None = None


def trust(provider_arn: str, *, repository: str, environment: str) -> str:
    """Who may assume a role: workflows of one repository that run in one of its environments.

    The subject is compared as a whole. That of pull requests is never accepted: every workflow of
    a pull request has it, with whatever its author wrote.
    """
    issuer = "token.actions.githubusercontent.com"
    return document(
        {
            "Sid": "Workflow",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": ["sts:AssumeRoleWithWebIdentity"],
            "Condition": {
                "StringEquals": {
                    f"{issuer}:aud": "sts.amazonaws.com",
                    f"{issuer}:sub": f"repo:{repository}:environment:{environment}",
                }
            },
        }
    )


def preview_policy(scope: Scope) -> str:
    """Looking at resources and at the state, and at nothing that they hold."""
    reads = {
        service: tuple(verb for verb in verbs if verb.startswith(READING))
        for service, verbs in ACTIONS.items()
    }
    return document(
        allow("Look", [*_actions(reads), *ROLE_READS], ["*"]),
        *_state(scope, ["s3:GetObject"], ["kms:Decrypt"]),
        *_no_data(scope),
    )


def apply_policy(scope: Scope) -> str:
    """Changing what the stacks consist of, in the regions of residency."""
    here = {"StringEquals": {"aws:RequestedRegion": list(scope.residency)}}
    through = {"StringLike": {"kms:ViaService": list(KEEPERS)}}
    use_keys = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    regional = {name: verbs for name, verbs in ACTIONS.items() if name not in WITHOUT_REGION}
    rest = {name: verbs for name, verbs in ACTIONS.items() if name in WITHOUT_REGION}
    return document(
        allow("Change", _actions(regional), ["*"], when=here),
        allow("ChangeWithoutRegion", _actions(rest), ["*"]),
        allow("KeysThroughServices", use_keys, ["*"], when=through),
        *_roles(scope),
        *_state(scope, ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], use_keys),
        deny("StandingCredentials", STANDING_CREDENTIALS, ["*"]),
        *_no_data(scope, through=KEEPERS),
    )


def _actions(table: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{service}:{verb}" for service, verbs in table.items() for verb in verbs]


def _roles(scope: Scope) -> list[Statement]:
    names = [
        f"arn:aws:iam::{scope.account}:{kind}{scope.role_path}*"
        for kind in ("role", "instance-profile")
    ]
    kept = {"StringEquals": {"iam:PermissionsBoundary": scope.boundary_arn}}
    passed = {"StringLike": {"iam:PassedToService": "*.amazonaws.com"}}
    service_roles = f"arn:aws:iam::{scope.account}:role/aws-service-role/*"
    found = [
        allow("RolesLook", ROLE_READS, ["*"]),
        allow("RolesChange", ROLE_CHANGES, [*names, service_roles]),
        allow("RolesGrant", ROLE_GRANTS, names, when=kept if scope.boundary_arn else None),
        allow(
            "PoliciesChange",
            POLICY_CHANGES,
            [f"arn:aws:iam::{scope.account}:policy{scope.role_path}*"],
        ),
        allow("RolesPass", ["iam:PassRole"], names, when=passed),
    ]
    if scope.boundary_arn:
        found.append(
            deny(
                "RolesKeepBoundary",
                ["iam:DeleteRolePermissionsBoundary", "iam:CreatePolicyVersion",
                 "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion"],
                [*names, scope.boundary_arn],
            )
        )  # fmt: skip
    return found


def _state(scope: Scope, objects: Sequence[str], keys: Sequence[str]) -> list[Statement]:
    found = []
    if scope.state_bucket:
        found += [
            allow("State", objects, [f"{scope.state_bucket}/*"]),
            allow("StateList", ["s3:ListBucket"], [scope.state_bucket]),
        ]
    if scope.state_key:
        found.append(allow("StateKey", keys, [scope.state_key]))
    return found


def _no_data(scope: Scope, *, through: Sequence[str] = ()) -> list[Statement]:
    """Denials of what the environment holds. The state alone can be read and decrypted.

    `through` are services that may use keys for the caller all the same.
    """
    objects = [f"{scope.state_bucket}/*"] if scope.state_bucket else []
    keys = [scope.state_key] if scope.state_key else []
    return [
        deny("NoData", DATA, ["*"]),
        _deny_but("NoObjects", ["s3:GetObject", "s3:GetObjectVersion"], objects),
        _deny_but("NoDecryption", ["kms:Decrypt"], keys, through),
    ]


def _deny_but(
    sid: str, actions: Sequence[str], excepted: list[str], through: Sequence[str] = ()
) -> Statement:
    found = dict(deny(sid, actions, ["*"]))
    if excepted:
        del found["Resource"]
        found["NotResource"] = excepted
    if through:
        found["Condition"] = {"StringNotLikeIfExists": {"kms:ViaService": list(through)}}
    return found
