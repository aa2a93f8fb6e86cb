"""Everything says whose it is."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stacks.policy.rule import Finding, Resource, Rule, Severity, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN

DATA = Path(__file__).parent.parent / "data" / "taggable.txt"


@cache
def taggable() -> frozenset[str]:
    """The types that take tags, as the SDK says."""
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def check(resource: Resource, settings: PolicySettings) -> Iterator[Finding]:
    """Each required key is there, and its value is one that is allowed."""
    if resource.type not in taggable():
        return
    for key, pattern in settings.required_tags.items():
        value = resource.tags.get(key)
        if value is UNKNOWN:
            yield undecided(f"tags.{key}")
        elif value is None:
            yield Finding(path=f"tags.{key}", message=f"is missing; it must match {pattern}")
        elif not re.fullmatch(pattern, str(value)):
            yield Finding(path=f"tags.{key}", message=f"is {value!r}; it must match {pattern}")


RULE = Rule(
    name="required-tags",
    description="Everything that takes tags has those that the environment requires.",
    severity=Severity.MEDIUM,
    supports=("CM-8", "CM-2", "GDPR 30", "DORA 8"),
    remedy="Set the tags as the provider's default tags, or on the resource.",
    check=check,
)
