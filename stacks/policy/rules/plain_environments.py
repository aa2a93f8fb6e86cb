"""Secrets are not in environment variables, where every console and log shows them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.policy.containers import CONTAINERS, FUNCTION, containers
from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

NAMES = re.compile(
    r"(password|passwd|secret|token|api_?key|private_?key|access_?key|credential)", re.IGNORECASE
)
REFERENCE = re.compile(r"(_|^)(ARN|ID|NAME|PATH|FILE|URI|URL|PREFIX)$", re.IGNORECASE)
"""A name that ends so is a reference to a secret, not the secret."""

ARN = re.compile(r"arn:[\w-]+:(secretsmanager|ssm|kms|s3):.+")
ACCESS_KEY = re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}")


def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
    """No variable is named like a secret, or holds an access key."""
    if resource.type == FUNCTION:
        found = resource.props.get("environment")
        variables = found.get("variables") if isinstance(found, Mapping) else found
        yield from _variables("environment.variables", variables)
        return
    for where, container in containers(resource):
        listed = container.get("environment") or []
        variables = {each.get("name", ""): each.get("value") for each in listed}
        yield from _variables(f"{where}.environment", variables)


def _variables(path: str, variables: Any) -> Iterator[Finding]:
    if variables is UNKNOWN:
        yield undecided(path)
        return
    for name, value in (variables or {}).items():
        if ACCESS_KEY.search(str(value)):
            yield Finding(path=f"{path}.{name}", message="holds an access key; use the role")
        elif NAMES.search(name) and not REFERENCE.search(name) and not ARN.match(str(value)):
            message = "is named like a secret; pass the ARN of a secret instead"
            yield Finding(path=f"{path}.{name}", message=message)


RULE = Rule(
    name="plain-environments",
    description="No secret is in an environment variable of a task, a job or a function.",
    severity=Severity.HIGH,
    supports=("IA-5", "SC-12", "SC-28(1)", "164.312(a)(2)(iv)", "GDPR 32", "DORA 9"),
    remedy="Use the container's `secrets` with the ARN of a secret, or read it by its ARN.",
    types=CONTAINERS,
    check=check,
)
