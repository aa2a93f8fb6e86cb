"""Whether policies let a request through: as much of IAM as the tests' policies use.

A test that asks "may this be done?" says more than one that compares the text of a policy.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from typing import Any

Context = Mapping[str, str]

TESTS: Mapping[str, Callable[[str | None, list[str]], bool]] = {
    "StringEquals": lambda has, any_of: has in any_of,
    "StringNotEquals": lambda has, any_of: has not in any_of,
    "StringLike": lambda has, any_of: has is not None and _like(has, any_of),
    "StringNotLikeIfExists": lambda has, any_of: has is None or not _like(has, any_of),
    "ArnEquals": lambda has, any_of: has is not None and _like(has, any_of),
    "ArnLike": lambda has, any_of: has is not None and _like(has, any_of),
    "ArnNotEquals": lambda has, any_of: has is None or not _like(has, any_of),
    "Bool": lambda has, any_of: has in any_of,
    "Null": lambda has, any_of: str(has is None).lower() in any_of,
    "NumericLessThan": lambda has, any_of: has is not None and float(has) < float(any_of[0]),
}


def allowed(
    *documents: str, action: str, resource: str = "*", context: Context | None = None
) -> bool:
    """Whether some statement allows the request and none denies it."""
    verdicts = {
        statement["Effect"]
        for document in documents
        for statement in json.loads(document)["Statement"]
        if _applies(statement, action, resource, context or {})
    }
    return verdicts == {"Allow"}


def denied(
    *documents: str, action: str, resource: str = "*", context: Context | None = None
) -> bool:
    """Whether some statement denies the request, whatever else allows it."""
    return any(
        statement["Effect"] == "Deny" and _applies(statement, action, resource, context or {})
        for document in documents
        for statement in json.loads(document)["Statement"]
    )


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    if "Action" in statement and not _like(action, _list(statement["Action"])):
        return False
    if "NotAction" in statement and _like(action, _list(statement["NotAction"])):
        return False
    if "Resource" in statement and not _like(resource, _list(statement["Resource"])):
        return False
    if "NotResource" in statement and _like(resource, _list(statement["NotResource"])):
        return False
    return all(
        TESTS[test](context.get(key), _list(values))
        for test, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _list(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _like(text: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(text.lower(), each.lower()) for each in patterns)
