"""What workflows may do: nothing without their environment, nothing with the data."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from moto.iam.policy_validation import IAMPolicyDocumentValidator

from landfall.model.environment import ROOT
from stacks.boundary import SERVICES, boundary
from stacks.github_policies import ACTIONS, Scope, apply_policy, preview_policy, trust
from tests.stacks.iam import allowed, denied

ACCOUNT = "111122223333"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/landfall-prod-boundary"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/state"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/landfall/x"
HERE = {"aws:RequestedRegion": "eu-central-1"}

SCOPE = Scope(
    account=ACCOUNT,
    residency=("eu-central-1",),
    role_path="/landfall/",
    boundary_arn=BOUNDARY,
    state_bucket="arn:aws:s3:::state",
    state_key=KEY,
)

INLINE_LIMIT, MANAGED_LIMIT = 10_240, 6_144
"""Characters of a role's inline policies and of a managed one, without white space (IAM quotas)."""


def claims(subject: str, audience: str = "sts.amazonaws.com") -> dict[str, str]:
    issuer = "token.actions.githubusercontent.com"
    return {f"{issuer}:sub": subject, f"{issuer}:aud": audience}


@pytest.mark.parametrize(
    ("subject", "audience", "let_in"),
    [
        ("repo:example/landfall:environment:prod", "sts.amazonaws.com", True),
        ("repo:example/landfall:environment:prod", "somebody-else", False),
        ("repo:example/landfall:pull_request", "sts.amazonaws.com", False),
        ("repo:example/landfall:ref:refs/heads/main", "sts.amazonaws.com", False),
        ("repo:example/landfall:environment:prod-preview", "sts.amazonaws.com", False),
        ("repo:example/landfall-fork:environment:prod", "sts.amazonaws.com", False),
        ("repo:another/landfall:environment:prod", "sts.amazonaws.com", False),
    ],
)
def test_only_a_workflow_of_the_environment_gets_in(
    subject: str, audience: str, let_in: bool
) -> None:
    document = trust(PROVIDER, repository="example/landfall", environment="prod")
    action = "sts:AssumeRoleWithWebIdentity"
    assert allowed(document, action=action, context=claims(subject, audience)) is let_in
    assert "StringLike" not in document


@pytest.mark.parametrize(
    "action",
    ["ec2:DescribeInstances", "s3:GetBucketPolicy", "iam:GetRole", "rds:DescribeDBInstances"],
)
def test_a_preview_looks(action: str) -> None:
    assert allowed(preview_policy(SCOPE), action=action, resource="arn:aws:x", context=HERE)


@pytest.mark.parametrize(
    "action",
    ["ec2:RunInstances", "ec2:CreateTags", "s3:PutBucketPolicy", "iam:CreateRole", "iam:PassRole",
     "s3:PutObject", "kms:Encrypt", "ecr:PutImage", "rds:ModifyDBInstance"],
)  # fmt: skip
def test_a_preview_changes_nothing(action: str) -> None:
    assert not allowed(preview_policy(SCOPE), action=action, resource=ROLE, context=HERE)


@pytest.mark.parametrize("write", [preview_policy, apply_policy])
@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "arn:aws:s3:::landfall-prod-datasets/a"),
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:1:secret:x"),
        ("kms:Decrypt", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/artifacts"),
        ("kinesis:GetRecords", "arn:aws:kinesis:eu-central-1:1:stream/x"),
        ("logs:FilterLogEvents", "arn:aws:logs:eu-central-1:1:log-group:x"),
        ("ecr:BatchGetImage", "arn:aws:ecr:eu-central-1:1:repository/x"),
    ],
)
@pytest.mark.parametrize("scope", [SCOPE, replace(SCOPE, state_bucket=None, state_key=None)])
def test_nobody_reads_what_the_environment_holds(
    write: object, action: str, resource: str, scope: Scope
) -> None:
    document = write(scope)  # type: ignore[operator]
    assert denied(document, action=action, resource=resource, context=HERE)


@pytest.mark.parametrize("write", [preview_policy, apply_policy])
def test_both_read_the_state(write: object) -> None:
    document = write(SCOPE)  # type: ignore[operator]
    assert allowed(document, action="s3:GetObject", resource="arn:aws:s3:::state/a", context=HERE)
    assert allowed(document, action="kms:Decrypt", resource=KEY, context=HERE)


@pytest.mark.parametrize(
    "action",
    ["iam:CreateUser", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:AttachUserPolicy",
     "iam:DeleteRolePermissionsBoundary", "iam:CreateServiceSpecificCredential"],
)  # fmt: skip
def test_an_apply_makes_no_standing_credential_and_keeps_the_boundary(action: str) -> None:
    kept = HERE | {"iam:PermissionsBoundary": BOUNDARY}
    assert not allowed(apply_policy(SCOPE), action=action, resource=ROLE, context=kept)
    document = boundary(ACCOUNT, environment="prod", residency=("eu-central-1",))
    assert denied(document, action=action, resource=ROLE, context=kept)


@pytest.mark.parametrize("action", ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"])
def test_an_apply_gives_rights_only_within_the_boundary(action: str) -> None:
    document = apply_policy(SCOPE)
    kept = HERE | {"iam:PermissionsBoundary": BOUNDARY}
    assert allowed(document, action=action, resource=ROLE, context=kept)
    assert not allowed(document, action=action, resource=ROLE, context=HERE)
    elsewhere = f"arn:aws:iam::{ACCOUNT}:role/other"
    assert not allowed(document, action=action, resource=elsewhere, context=kept)


def test_an_apply_changes_resources_where_data_may_be() -> None:
    document = apply_policy(SCOPE)
    assert allowed(document, action="ec2:CreateVpc", context=HERE)
    assert not allowed(
        document, action="ec2:CreateVpc", context={"aws:RequestedRegion": "us-east-1"}
    )
    # These services have one region for the world.
    assert allowed(
        document, action="route53:CreateHostedZone", context={"aws:RequestedRegion": "us-east-1"}
    )


def test_a_secret_can_be_made_under_a_key_but_not_read() -> None:
    """Secrets Manager asks for the caller's right to the key; see `stacks.secrets`."""
    through = HERE | {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}
    key = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/registry"
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allowed(apply_policy(SCOPE), action=action, resource=key, context=through)
    assert not allowed(preview_policy(SCOPE), action="kms:Decrypt", resource=key, context=through)


@pytest.mark.parametrize(
    ("action", "context", "kept_out"),
    [
        ("ec2:CreateInternetGateway", HERE, True),
        ("ec2:CreateNatGateway", HERE, True),
        ("ec2:AllocateAddress", HERE, True),
        ("ec2:CreateVpc", HERE, False),
        ("ec2:CreateVpc", {"aws:RequestedRegion": "us-east-1"}, True),
        ("iam:GetRole", {"aws:RequestedRegion": "us-east-1"}, False),
        ("dynamodb:CreateTable", HERE, True),  # no service of ours
    ],
)
def test_what_the_boundary_keeps_out(action: str, context: dict[str, str], kept_out: bool) -> None:
    document = boundary(ACCOUNT, environment="prod", residency=("eu-central-1",))
    assert allowed(document, action=action, context=context) is not kept_out


def test_nobody_changes_the_boundary_itself() -> None:
    document = boundary(ACCOUNT, environment="prod", residency=("eu-central-1",))
    for action in ("iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:SetDefaultPolicyVersion"):
        assert denied(document, action=action, resource=BOUNDARY, context=HERE)
        assert not allowed(apply_policy(SCOPE), action=action, resource=BOUNDARY, context=HERE)


PARTS_OF = {
    "cloudwatch": ("cloudwatch", "logs", "events"),
    "costexplorer": ("ce",),
    "ec2transitgateway": ("ec2",),
    "lb": ("elasticloadbalancing",),
    "route53": ("route53", "route53resolver"),
    "vpc": ("ec2",),
}
"""IAM's names of services, where the SDK's modules are called otherwise."""


def used() -> set[str]:
    """The services whose resources some module of `stacks` declares."""
    text = "".join(path.read_text() for path in (ROOT / "stacks").rglob("*.py"))
    modules = set(re.findall(r"\baws\.([a-z0-9]+)\.[A-Z]\w+", text))
    return {each for module in modules for each in PARTS_OF.get(module, (module,))}


def test_every_service_that_the_stacks_use_is_within_the_boundary_and_can_be_changed() -> None:
    assert {"s3", "ec2", "rds", "rolesanywhere"} <= used()
    assert used() <= set(SERVICES)
    assert used() <= set(ACTIONS) | {"iam"}


def test_a_policy_can_be_made_but_not_the_boundary_changed() -> None:
    own = f"arn:aws:iam::{ACCOUNT}:policy/landfall/stop"
    for action in ("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"):
        assert allowed(apply_policy(SCOPE), action=action, resource=own, context=HERE)
        at_the_top = replace(SCOPE, role_path="/")
        for scope in (SCOPE, at_the_top):
            held = apply_policy(scope)
            changed = action != "iam:CreatePolicy"
            assert denied(held, action=action, resource=BOUNDARY, context=HERE) is changed


@pytest.mark.parametrize(
    "document",
    [
        preview_policy(SCOPE),
        apply_policy(SCOPE),
        boundary(ACCOUNT, environment="prod", residency=("eu-central-1",)),
    ],
)
def test_iam_would_take_the_document(document: str) -> None:
    """The checks of a stand-in for IAM: names, effects, ARNs, operators."""
    IAMPolicyDocumentValidator(document).validate()


def test_the_policies_are_not_too_long_for_iam() -> None:
    regions = tuple(f"eu-central-{number}" for number in range(6))
    scope = replace(SCOPE, residency=regions, state_bucket="arn:aws:s3:::" + 63 * "s")
    for write in (preview_policy, apply_policy):
        assert len("".join(write(scope).split())) <= INLINE_LIMIT
    document = boundary(ACCOUNT, environment="staging", residency=regions)
    assert len("".join(document.split())) <= MANAGED_LIMIT


@pytest.mark.parametrize(
    "document",
    [preview_policy(SCOPE), apply_policy(SCOPE)],
)
def test_no_wildcard_action_on_a_wildcard_resource(document: str) -> None:
    for statement in json.loads(document)["Statement"]:
        if statement["Effect"] == "Allow" and statement["Resource"] == ["*"]:
            assert all(not each.endswith(":*") for each in statement["Action"])
