"""Whether a policy document gives too much away, for the rules that ask it."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.policy.documents import Statement, statements
from stacks.policy.rule import Finding


def too_wide(text: object, path: str, *, urn: str = "") -> Iterator[Finding]:
    """A finding for each statement that allows every action of a service on every resource.

    Raises:
        NotYetKnown: the document is not known before `up`.
    """
    for statement in statements(text, path):
        if statement.allows and (fault := _fault(statement)):
            yield Finding(path=statement.where, message=fault, urn=urn)


def _fault(statement: Statement) -> str:
    if statement.negated:
        return "allows all but what it names; name what is allowed"
    if not any(map(_all_resources, statement.resources)):
        return ""
    wide = [each for each in statement.actions if each == "*" or each.endswith(":*")]
    return f"allows {', '.join(wide)} on every resource; name actions or resources" if wide else ""


def _all_resources(resource: str) -> bool:
    """`*`, and ARNs in which only the service is named, as `arn:aws:s3:::*`."""
    return resource.rpartition(":")[2] in {"*", "*/*"}
