"""What stands in for the account in a rehearsal: services, and the secrets that AWS would make."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator

from landfall import aws, files
from landfall.errors import LandfallError
from landfall.handoff import Handoff
from landfall.model import site as sites
from landfall.model.environment import Environment
from rehearsal.services import Services

KEY_BYTES = 24
"""Length of a generated key before its encoding: 192 bits."""


def of(environment: Environment) -> Services:
    """The services of a rehearsal; they outlive the process that starts them."""
    return Services(state=environment.work / "services")


def record(environment: Environment, running: Services) -> None:
    """Note where the services are, for playbooks. The access key is the word `rehearsal`."""
    value = {
        "endpoint": running.aws_url,
        "region": running.access.region,
        "access_key": running.access.access_key,
        "registry": running.tracking_uri,
    }
    files.write(environment.services_file, json.dumps(value, indent=2) + "\n")


def ensure_secrets(environment: Environment, told: Handoff, running: Services) -> int:
    """Make what AWS would make and an administrator would put: the keys of tunnels and tenants.

    What is there already stays. The number of those that were made.
    """
    made = 0
    for name in _names(environment, told):
        try:
            aws.get_secret(name, via=running.access)
        except aws.Missing:
            aws.put_secret(name, secrets.token_urlsafe(KEY_BYTES), via=running.access)
            made += 1
    return made


def _names(environment: Environment, told: Handoff) -> Iterator[str]:
    # The stand-in finds a secret by the last part of an ARN, where its name is just that part.
    arns = [each.preshared_key_arn for each in told.tunnels if each.preshared_key_arn]
    for arn in dict.fromkeys(arns):
        yield arn.rpartition(":")[2]
    for tenant in sites.load(environment).tenants:
        yield tenant.key_secret


def registry_uri(environment: Environment) -> str:
    """Where the environment's model registry is.

    Raises:
        LandfallError: it is not known; says how to tell.
    """
    if environment.rehearsal:
        return of(environment).tracking_uri
    told = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not told:
        raise LandfallError(
            f"the model registry of {environment.name} is not known",
            hint="set MLFLOW_TRACKING_URI",
        )
    return told
