"""What runs in the registry's container: MLflow with authentication on, as a task definition.

Checked against MLflow 3.17.2; a test starts the real one with what is written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stacks.statements import allow, document
from stacks.storage import REGISTRY

PORT = 5000
"""Where MLflow listens, with TLS."""

HEALTH = "/health"
"""What answers without a user and without the database (MLflow's server)."""

ADMINISTRATOR = "registry-admin"
"""The first user. It exists to make the others; its password is in Secrets Manager alone."""

FOLDER = "/run/landfall"
"""The one folder that can be written; the rest of the container's files cannot."""

AUTHORITIES = "/etc/ssl/rds/global-bundle.pem"
"""Where the image has the certificates of RDS's authorities, to know the database by."""

DATABASE = "registry"

DRIVER = "+psycopg2"
"""Said, since SQLAlchemy's own choice is another one from version 2.1 on."""

START = (Path(__file__).parent / "registry_start.py").read_text(encoding="utf-8")

BASIC_AUTH = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database}
admin_username = {administrator}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
grant_default_workspace_access = false
"""
"""MLflow's own default lets every user read everything. It has no password here: the first user
gets that from the environment, and MLflow refuses to start where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a task needs to know.

    Attributes:
        name: by which clients call it.
        database: where its tables are, as a URI without a password.
        artifacts: where its files are, as a URI.
        workers: processes that answer.
    """

    name: str
    database: str
    artifacts: str
    workers: int = 2


def database_uri(address: str) -> str:
    """The database at `address`. The password comes from PGPASSWORD, and the server is verified."""
    return (
        f"postgresql{DRIVER}://{DATABASE}@{address}:5432/{DATABASE}"
        f"?sslmode=verify-full&sslrootcert={AUTHORITIES}"
    )


def command(server: Server, *, folder: str = FOLDER, port: int = PORT) -> list[str]:
    """The container's command, which ends as MLflow itself."""
    tls = f"--ssl-keyfile {folder}/key.pem --ssl-certfile {folder}/certificate.pem"
    return [
        "python", "-c", START,
        "mlflow", "server",
        "--app-name", "basic-auth",
        "--host", "0.0.0.0",  # noqa: S104 - of a task that only the load balancer reaches
        "--port", str(port),
        "--workers", str(server.workers),
        "--artifacts-destination", server.artifacts,
        "--serve-artifacts",
        "--uvicorn-opts", tls,
    ]  # fmt: skip


def environment(server: Server, *, folder: str = FOLDER) -> dict[str, str]:
    """The container's environment: nothing of it is secret."""
    return {
        "LANDFALL_FOLDER": folder,
        "LANDFALL_NAME": server.name,
        "LANDFALL_BASIC_AUTH": BASIC_AUTH.format(
            # The configuration's language takes a percent sign for the start of a reference.
            database=server.database.replace("%", "%%"),
            administrator=ADMINISTRATOR,
        ),
        "HOME": folder,
        "TMPDIR": folder,
        "MLFLOW_BACKEND_STORE_URI": server.database,
        "MLFLOW_AUTH_CONFIG_PATH": f"{folder}/basic_auth.ini",
        # Requests for another name are refused: a page elsewhere cannot rebind its own to us.
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{server.name},{server.name}:443",
        # A route that has no rule of its own is denied, not open. Said, though it is the default.
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        "MLFLOW_SERVER_ENABLE_GRAPHQL_AUTH": "true",
        # Clients send and fetch large files at S3 itself, with addresses that the server signs.
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def secrets(*, administrator: str, session: str, database: str) -> dict[str, str]:
    """Where the container's secrets come from when a task starts: ARNs, by variable.

    Args:
        administrator: the secret that is the first user's password.
        session: the secret with which MLflow signs its forms.
        database: the secret that RDS keeps and changes; one field of it is the password.
    """
    return {
        "MLFLOW_AUTH_ADMIN_PASSWORD": administrator,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": session,
        "PGPASSWORD": f"{database}:password::",
    }


def healthy() -> list[str]:
    """A check that logs in to the database anew.

    RDS changes the password every week. A task keeps the one that it was started with, and its
    open connections stay; but new ones would fail. This check fails first, and the service puts a
    task with the new password in its place before it ends this one.
    """
    look = (
        "import os, psycopg2; "
        f"uri = os.environ['MLFLOW_BACKEND_STORE_URI'].replace('{DRIVER}', ''); "
        "psycopg2.connect(uri, connect_timeout=5).close()"
    )
    return ["CMD", "python", "-c", look]


def containers(
    server: Server, *, image: str, references: Mapping[str, str], log_group: str, region: str
) -> str:
    """The container definitions of the task, as JSON."""
    container: dict[str, Any] = {
        "name": DATABASE,
        "image": image,
        "essential": True,
        "entryPoint": [],
        "command": command(server),
        "environment": _pairs(environment(server), "value"),
        "secrets": _pairs(references, "valueFrom"),
        "portMappings": [{"containerPort": PORT, "protocol": "tcp"}],
        "readonlyRootFilesystem": True,
        "privileged": False,
        "user": "10001:10001",
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "mountPoints": [
            {"sourceVolume": name, "containerPath": path, "readOnly": False}
            for name, path in VOLUMES.items()
        ],
        "healthCheck": {
            "command": healthy(),
            "interval": 60,
            "timeout": 15,
            "retries": 5,
            "startPeriod": 180,
        },
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": DATABASE,
            },
        },
    }
    return json.dumps([container])


VOLUMES: Mapping[str, str] = {"run": FOLDER}
"""Where the task's own, encrypted storage is mounted, by volume."""


def task_policy(*, bucket_arn: str, key_arn: str) -> str:
    """What MLflow may do: its own files in the bucket, and nothing else."""
    own = {"StringLike": {"s3:prefix": [f"{REGISTRY}*"]}}
    objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
               "s3:ListMultipartUploadParts"]  # fmt: skip
    return document(
        allow("Files", objects, [f"{bucket_arn}/{REGISTRY}*"]),
        allow("List", ["s3:ListBucket"], [bucket_arn], when=own),
        allow("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [key_arn]),
    )


def start_policy(
    *, repository_arn: str, secret_arns: list[str], key_arns: list[str], log_group_arn: str
) -> str:
    """What ECS itself may do to start the task: pull its image, read its secrets, write its log."""
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return document(
        # ECR knows no narrower resource for its token (service authorization reference).
        allow("Token", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("Image", pull, [repository_arn]),
        allow("Secrets", ["secretsmanager:GetSecretValue"], secret_arns),
        allow("Keys", ["kms:Decrypt"], key_arns),
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"{log_group_arn}:*"]),
    )


def _pairs(values: Mapping[str, str], field: str) -> list[dict[str, str]]:
    return [{"name": name, field: value} for name, value in sorted(values.items())]
