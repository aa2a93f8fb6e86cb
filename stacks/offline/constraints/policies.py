"""Policy documents: their form, what belongs in which kind, and their length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from landfall.errors import Problem
from stacks.offline.constraints.view import View, words

VERSIONS = ("2012-10-17", "2008-10-17")
EFFECTS = ("Allow", "Deny")
ELEMENTS = frozenset(
    {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal",
        "NotPrincipal", "Condition",
    }
)  # fmt: skip

Rule = Callable[[View], Iterator[Problem]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A property that holds a policy.

    Attributes:
        path: the property.
        longest: characters (without blanks where `packed`).
        identity: whether it belongs to an identity, which is its principal.
        trust: whether it says who may take a role, which is its resource.
    """

    path: str
    longest: int
    identity: bool = False
    trust: bool = False
    packed: bool = False


DOCUMENTS: dict[str, Document] = {
    # Lengths: IAM and STS quotas.
    "aws:iam/role:Role": Document(path="assumeRolePolicy", longest=2048, trust=True, packed=True),
    "aws:iam/policy:Policy": Document(path="policy", longest=6144, identity=True, packed=True),
    "aws:iam/rolePolicy:RolePolicy": Document(
        path="policy", longest=10240, identity=True, packed=True
    ),
    # AWS PrivateLink guide, endpoint policies.
    "aws:ec2/vpcEndpoint:VpcEndpoint": Document(path="policy", longest=20480),
    "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy": Document(path="policy", longest=20480),
    # S3 user guide: 20 KB.
    "aws:s3/bucketPolicy:BucketPolicy": Document(path="policy", longest=20480),
    # KMS developer guide, quotas: 32 KB.
    "aws:kms/key:Key": Document(path="policy", longest=32768),
    # CloudWatch Logs API reference, PutResourcePolicy.
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Document(
        path="policyDocument", longest=5120
    ),
    # Secrets Manager user guide, quotas.
    "aws:secretsmanager/secretPolicy:SecretPolicy": Document(path="policy", longest=20480),
}
"""The property of each type that holds a policy document."""


def document(view: View) -> Iterator[Problem]:
    """The policy has the form that its place asks for."""
    kind = DOCUMENTS[view.token]
    given = view.get(kind.path)
    if not isinstance(given, str) or not given:
        return
    try:
        found = json.loads(given)
    except ValueError:
        yield Problem(path=kind.path, message="must be JSON")
        return
    if not isinstance(found, dict):
        yield Problem(path=kind.path, message="must be an object with Version and Statement")
        return
    length = len(json.dumps(found, separators=(",", ":")) if kind.packed else given)
    if length > kind.longest:
        message = f"has {length} characters; AWS takes {kind.longest}"
        yield Problem(path=kind.path, message=message)
    if found.get("Version", VERSIONS[0]) not in VERSIONS:
        yield Problem(path=f"{kind.path}.Version", message=f"must be {VERSIONS[0]}")
    yield from _statements(found.get("Statement"), kind)


def _statements(given: Any, kind: Document) -> Iterator[Problem]:
    statements = [given] if isinstance(given, dict) else given
    if not isinstance(statements, list) or not statements:
        yield Problem(path=f"{kind.path}.Statement", message="must have a statement")
        return
    seen: set[str] = set()
    for index, statement in enumerate(statements):
        path = f"{kind.path}.Statement[{index}]"
        if not isinstance(statement, dict):
            yield Problem(path=path, message="must be an object")
            continue
        name = statement.get("Sid")
        if name and name in seen:
            yield Problem(path=f"{path}.Sid", message="another statement has it")
        seen.add(str(name))
        yield from _statement(statement, kind, path)


def _statement(statement: dict[str, Any], kind: Document, path: str) -> Iterator[Problem]:
    for name in statement.keys() - ELEMENTS:
        yield Problem(path=f"{path}.{name}", message="no such element of a statement")
    if statement.get("Effect") not in EFFECTS:
        yield Problem(path=f"{path}.Effect", message=f"must be {words(EFFECTS)}")
    for pair in (
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
        ("Principal", "NotPrincipal"),
    ):
        given = [name for name in pair if name in statement]
        where = f"{path}.{pair[0]}"
        if len(given) > 1:
            yield Problem(path=where, message=f"must be one of {words(pair)}")
        wanted = _wanted(pair[0], kind)
        if given and not wanted:
            what = "the role that it is for" if kind.trust else "the identity that has it"
            yield Problem(path=where, message=f"does not belong here: it is {what}")
        elif not given and wanted:
            yield Problem(path=where, message=f"missing; it must have {words(pair)}")
    yield from _actions(statement.get("Action"), f"{path}.Action")


def _wanted(element: str, kind: Document) -> bool:
    if element == "Resource":
        return not kind.trust
    return element == "Action" or not kind.identity


def _actions(given: Any, path: str) -> Iterator[Problem]:
    actions = [given] if isinstance(given, str) else given or []
    for action in actions:
        if isinstance(action, str) and action != "*" and ":" not in action:
            yield Problem(path=path, message=f"{action} must be service:Action, s3:GetObject say")


RULES = {token: (document,) for token in DOCUMENTS}
