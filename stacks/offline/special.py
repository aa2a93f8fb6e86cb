"""Outputs that follow from a resource's inputs by more than a line of the table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from stacks.offline.templates import Source
from stacks.offline.wire import Properties

Given = Callable[[str], Any]
"""The value of one of the resource's own properties, by its name."""

SECRET = "AWS::SecretsManager::Secret"  # noqa: S105 - a type's name
SUFFIX_LENGTH = 6
"""Characters that Secrets Manager adds to a secret's name in its ARN (its user guide)."""


def values(token: str, given: Given, source: Source) -> Properties:
    """The outputs of a resource of type `token` that are known here, by name."""
    found = SPECIAL.get(token)
    return found(given, source) if found else {}


def _cloudformation(given: Given, source: Source) -> Properties:
    """The outputs that a JSON template names.

    A reference to a secret is an ARN of the form that AWS gives. Anything else is a text that
    nobody takes for a real value.
    """
    try:
        held = json.loads(given("templateBody"))
    except (TypeError, ValueError):
        return {}
    resources: Mapping[str, Any] = held.get("Resources") or {}
    named = held.get("Outputs") or {}
    return {"outputs": {name: _output(name, named[name], resources, source) for name in named}}


def _output(
    name: str, output: Mapping[str, Any], resources: Mapping[str, Any], source: Source
) -> str:
    value = output.get("Value")
    referred = value.get("Ref") if isinstance(value, Mapping) else None
    resource = resources.get(referred or "") or {}
    if resource.get("Type") == SECRET:
        called = (resource.get("Properties") or {}).get("Name", referred)
        return _secret_arn(str(called), name, source)
    return f"offline:{source.what}.{name}"


def _database(given: Given, source: Source) -> Properties:
    """The secret that RDS makes and keeps for the first user, where it is asked to."""
    if not given("manageMasterUserPassword"):
        return {"masterUserSecrets": []}
    secret = {
        "kmsKeyId": given("masterUserSecretKmsKeyId") or "",
        "secretArn": _secret_arn(f"rds!{given('id')}", "master", source),
        "secretStatus": "active",
    }
    return {"masterUserSecrets": [secret]}


def _secret_arn(name: str, label: str, source: Source) -> str:
    suffix = source.draw("alnum", SUFFIX_LENGTH, f"secret.{label}")
    return f"arn:aws:secretsmanager:{source.region}:{source.account}:secret:{name}-{suffix}"


SPECIAL: Mapping[str, Callable[[Given, Source], Properties]] = {
    "aws:cloudformation/stack:Stack": _cloudformation,
    "aws:rds/instance:Instance": _database,
}
