"""What the registry's task is made of, and what its roles may do."""

from __future__ import annotations

import configparser
import json
from typing import Any

import pytest

from stacks.registry import missing
from stacks.registry_server import (
    BASIC_AUTH,
    Server,
    containers,
    database_uri,
    environment,
    secrets,
    start_policy,
    task_policy,
)
from stacks.secrets import template
from stacks.settings import parts
from tests.stacks.iam import allowed

SERVER = Server(
    name="registry.ml.site.example",
    database=database_uri("db.example"),
    artifacts="s3://bucket/registry",
)
BUCKET = "arn:aws:s3:::bucket"
SECRET = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:"
KEY = "arn:aws:kms:eu-central-1:111122223333:key/registry"
REPOSITORY = "arn:aws:ecr:eu-central-1:111122223333:repository/landfall-dev/registry"


def container() -> dict[str, Any]:
    references = secrets(
        administrator=f"{SECRET}administrator",
        session=f"{SECRET}session",
        database=f"{SECRET}database",
    )
    (found,) = json.loads(
        containers(
            SERVER,
            image="registry@sha256:0",
            references=references,
            log_group="/landfall/dev/registry",
            region="eu-central-1",
        )
    )
    return dict(found)


def test_the_database_is_verified_and_its_password_is_not_in_its_address() -> None:
    assert "sslmode=verify-full" in SERVER.database
    assert ":@" not in SERVER.database
    assert SERVER.database.count(":") == 2  # the scheme's and the port's: no password between


def test_secrets_come_by_reference_and_never_as_values() -> None:
    found = container()
    by_name = {each["name"]: each["valueFrom"] for each in found["secrets"]}
    assert by_name["PGPASSWORD"] == f"{SECRET}database:password::"
    assert set(by_name).isdisjoint(each["name"] for each in found["environment"])


def test_only_one_folder_can_be_written() -> None:
    found = container()
    assert found["readonlyRootFilesystem"] is True
    assert {each["containerPath"] for each in found["mountPoints"]} == {"/run/landfall"}


@pytest.mark.parametrize("password", ["plain", "100%s"])
def test_the_configuration_survives_its_own_language(password: str) -> None:
    """A percent sign in an address is no reference for configparser."""
    server = Server(name="n", database=f"postgresql://x/{password}", artifacts="s3://b")
    parser = configparser.ConfigParser()
    parser.read_string(environment(server)["LANDFALL_BASIC_AUTH"])
    assert parser["mlflow"]["database_uri"] == server.database
    assert parser["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert "admin_password" not in BASIC_AUTH


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("s3:GetObject", f"{BUCKET}/registry/1/a", True),
        ("s3:PutObject", f"{BUCKET}/registry/1/a", True),
        ("s3:GetObject", f"{BUCKET}/released/a", False),
        ("s3:PutObject", f"{BUCKET}/released/a", False),
        ("s3:GetObject", f"{BUCKET}/checkpoints/a", False),
        ("secretsmanager:GetSecretValue", f"{SECRET}administrator", False),
    ],
)
def test_what_mlflow_itself_may_do(action: str, resource: str, may: bool) -> None:
    document = task_policy(bucket_arn=BUCKET, key_arn=KEY)
    assert allowed(document, action=action, resource=resource) is may


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("secretsmanager:GetSecretValue", f"{SECRET}administrator", True),
        ("secretsmanager:GetSecretValue", f"{SECRET}another", False),
        ("ecr:BatchGetImage", REPOSITORY, True),
        ("ecr:BatchGetImage", REPOSITORY.replace("registry", "training"), False),
        ("ecr:PutImage", REPOSITORY, False),
        ("kms:Decrypt", KEY, True),
        ("s3:GetObject", f"{BUCKET}/registry/a", False),
    ],
)
def test_what_starting_a_task_may_do(action: str, resource: str, may: bool) -> None:
    document = start_policy(
        repository_arn=REPOSITORY,
        secret_arns=[f"{SECRET}administrator"],
        key_arns=[KEY],
        log_group_arn="arn:aws:logs:eu-central-1:111122223333:log-group:/landfall/dev/registry",
    )
    assert allowed(document, action=action, resource=resource) is may


@pytest.mark.parametrize(("kept", "policy"), [(True, "Retain"), (False, "Delete")])
def test_a_secret_is_drawn_by_secrets_manager(kept: bool, policy: str) -> None:
    found = json.loads(template({"Administrator": "why"}, prefix="landfall-dev", kept=kept))
    made = found["Resources"]["Administrator"]
    assert "SecretString" not in made["Properties"]
    assert made["Properties"]["GenerateSecretString"]["PasswordLength"] >= 32
    assert made["Properties"]["KmsKeyId"] == {"Ref": "Key"}
    assert made["DeletionPolicy"] == made["UpdateReplacePolicy"] == policy
    assert found["Outputs"]["Administrator"]["Value"] == {"Ref": "Administrator"}


@pytest.mark.parametrize(
    ("environment", "stacks", "message"),
    [
        ("prod", {"dev", "prod"}, None),
        (None, set(), None),
        ("prod", {"dev"}, "there is no stack prod to take the registry of; there are: dev"),
        ("prod", set(), "there is no stack prod to take the registry of; there are: none"),
    ],
)
def test_a_stack_that_is_not_there_is_told(
    environment: str | None, stacks: set[str], message: str | None
) -> None:
    settings = parts.Registry(environment=environment) if environment else None
    found = [(each.path, each.message) for each in missing(settings, stacks)]
    assert found == ([("landfall:registry.environment", message)] if message else [])
