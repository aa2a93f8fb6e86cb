"""Access policies as data: statements in, JSON out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]

VERSION = "2012-10-17"
"""The current version of the policy language (IAM user guide)."""


def document(*statements: Statement) -> str:
    """A policy document, as JSON."""
    return json.dumps({"Version": VERSION, "Statement": list(statements)})


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    when: Mapping[str, Mapping[str, Any]] | None = None,
    principal: Any = None,
) -> Statement:
    """A statement that allows `actions` on `resources`, `when` its conditions hold."""
    return _statement("Allow", sid, actions, resources, when, principal)


def deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    when: Mapping[str, Mapping[str, Any]] | None = None,
    principal: Any = None,
) -> Statement:
    """A statement that denies `actions` on `resources`, whatever else allows them."""
    return _statement("Deny", sid, actions, resources, when, principal)


def assumed_by(service: str, *, account: str | None = None) -> str:
    """A trust policy for an AWS service such as `ec2`, for callers of `account` alone if given."""
    when = {"StringEquals": {"aws:SourceAccount": account}} if account else None
    trusted = {"Service": f"{service}.amazonaws.com"}
    statement = dict(_statement("Allow", "Service", ["sts:AssumeRole"], [], when, trusted))
    del statement["Resource"]
    return document(statement)


def _statement(
    effect: str,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    when: Mapping[str, Mapping[str, Any]] | None,
    principal: Any,
) -> Statement:
    found: dict[str, Any] = {"Sid": sid, "Effect": effect}
    if principal is not None:
        found["Principal"] = principal
    found |= {"Action": list(actions), "Resource": list(resources)}
    if when:
        found["Condition"] = when
    return found
