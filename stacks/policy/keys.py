"""Whether something is encrypted with a key of the customer's, for the rules that ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacks.policy.rule import Finding, Resource, expect, undecided
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, at

KEYS = ("aws:kms/key:Key", "aws:kms/alias:Alias", "aws:kms/replicaKey:ReplicaKey")


def customer_key(
    places: Mapping[str, tuple[str, ...]], switches: Mapping[str, tuple[str, object]] | None = None
) -> Callable[[Resource, PolicySettings], Iterator[Finding]]:
    """The check of a rule: at each of a type's places stands a key, and its switch is set.

    Args:
        places: for each type, the paths of its keys.
        switches: for some types, a path and the value that turns encryption on.
    """

    def check(resource: Resource, _: PolicySettings) -> Iterator[Finding]:
        path, wanted = (switches or {}).get(resource.type, ("", None))
        if path:
            yield from expect(resource, path, wanted, message=f"must be {wanted!r}")
        for place in places[resource.type]:
            for where, value in at(resource.props, place):
                yield from of_customer(where, value)

    return check


def of_customer(
    path: str, value: Any, *, made_here: bool = False, urn: str = ""
) -> Iterator[Finding]:
    """A finding where a value does not name a key of the customer's.

    Args:
        path: where the value stands.
        value: the ARN, id or alias of a key.
        made_here: a value that is not known yet comes from a key of the same stack.
        urn: the resource, for a rule over the stack.
    """
    if value is UNKNOWN:
        if not made_here:
            yield undecided(path, urn=urn)
    elif not value:
        yield Finding(path=path, message="names no key of yours; give the ARN of one", urn=urn)
    elif "alias/aws/" in str(value):
        message = f"{value} is AWS's own key; give the ARN of one of yours"
        yield Finding(path=path, message=message, urn=urn)


def comes_from_key(resource: Resource, prop: str) -> bool:
    """Whether a property's value is made from a KMS key of the stack."""
    used = resource.uses.get(prop, ())
    return any(urn.split("::")[2].rpartition("$")[2] in KEYS for urn in used)
