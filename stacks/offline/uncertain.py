"""What an offline preview cannot know: changes of types and properties outside the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from stacks.offline import semantics
from stacks.offline.semantics import root

PACKAGE = "aws:"
"""Types of other packages follow rules of their own; what they need is known."""


def doubts(token: str, operation: str, paths: Iterable[str] = ()) -> tuple[str, ...]:
    """Why a planned operation on a resource may turn out to be another; empty where it is sure.

    `operation` is the engine's word, and `paths` are the engine's paths of what changes. A
    deletion or a replacement is certain, whatever the type.
    """
    if not token.startswith(PACKAGE) or operation not in {"create", "update"}:
        return ()
    rules = semantics.rules(token)
    if rules.known:
        return tuple(_unverified(token, paths)) if operation == "update" else ()
    what = {
        "create": "what AWS fills in and answers",
        "update": "what replaces it",
    }[operation]
    return (f"{token} is not in the offline provider's table: {what} is not known here",)


def _unverified(token: str, paths: Iterable[str]) -> Iterator[str]:
    rules = semantics.rules(token)
    for path in paths:
        if rules.unverified & {pattern_of(path), root(path)}:
            yield f"whether a change of {path} replaces {token} is not known here"


def pattern_of(path: str) -> str:
    """The table's pattern of an engine's path: `tags["a b"]` is `tags.a b`, `x[0].y` is `x[].y`."""
    return re.sub(r'\["([^"]*)"\]', r".\1", re.sub(r"\[\d+\]", "[]", path))
