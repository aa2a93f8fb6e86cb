"""A rule: what it looks at, what it finds, and which controls it is evidence for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from landfall.model.change import Change
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, NotYetKnown, at, truth


class Severity(StrEnum):
    """How bad it is to break a rule."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Level(StrEnum):
    """Whether a finding stops an `up` or is only told."""

    ADVISORY = "advisory"
    MANDATORY = "mandatory"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource of a plan.

    Attributes:
        type: the type token, e.g. `aws:ec2/vpc:Vpc`.
        name: the name in the program.
        urn: the engine's name for it.
        props: camelCase properties; what is not known yet is `UNKNOWN`. For a rule over a
            resource its inputs, for a rule over the stack its outputs.
        provider: the inputs of the provider that makes it.
        uses: for each property, the URNs of the resources that its value comes from. Only known
            to rules over the stack.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    provider: Mapping[str, Any] = field(default_factory=dict)
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How an exception in the settings names it."""
        return f"{self.type}::{self.name}"

    @cached_property
    def tags(self) -> dict[str, Any]:
        """Its tags, the provider's default ones included.

        Raises:
            NotYetKnown: the tags are not known yet.
        """
        found: dict[str, Any] = {}
        for tags in (self._default_tags(), self.props.get("tags"), self.props.get("tagsAll")):
            if tags is UNKNOWN:
                raise NotYetKnown("tags")
            found.update(_tag_map(tags or {}))
        return found

    def _default_tags(self) -> Any:
        # A provider's own inputs are JSON texts where they are not strings.
        written = self.provider.get("defaultTags")
        parsed = json.loads(written) if isinstance(written, str) else written
        return parsed.get("tags") if isinstance(parsed, Mapping) else parsed


def _tag_map(tags: Any) -> Mapping[str, Any]:
    """Tags as a map; those of an auto scaling group are a list of keys with values."""
    return {each["key"]: each["value"] for each in tags} if isinstance(tags, list) else tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a rule found.

    Attributes:
        path: the property, or "".
        message: what is wrong and what would be right.
        undecided: the value is not known before `up`; nothing is wrong as far as one can see.
        urn: the resource, where the rule looks at the stack.
    """

    path: str
    message: str
    undecided: bool = False
    urn: str = ""


Findings = Iterable[Finding]
ResourceCheck = Callable[[Resource, PolicySettings], Findings]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """All resources of a plan, for rules that one resource cannot decide.

    `make` turns what the engine sent into a `Resource`; only what a rule asks for is turned.
    """

    sent: Mapping[str, Sequence[Any]]
    make: Callable[[Any], Resource]

    def of(self, *types: str) -> Iterator[Resource]:
        """The resources of some types."""
        for kind in types:
            yield from map(self.make, self.sent.get(kind, ()))

    @property
    def types(self) -> Iterable[str]:
        """The types that are there."""
        return self.sent.keys()

    def attached(self, kind: str, prop: str, target: Resource) -> list[Resource]:
        """The resources of a type whose property `prop` names `target`."""
        return [each for each in self.of(kind) if names(each, prop, target)]


def names(resource: Resource, prop: str, target: Resource) -> bool:
    """Whether a property of a resource is a reference to another resource, or names it."""
    if target.urn in resource.uses.get(prop, ()):
        return True
    value = resource.props.get(prop)
    if not isinstance(value, str):
        return False
    known = (target.props.get(each) for each in ("id", "arn", "bucket", "name"))
    return any(isinstance(each, str) and each == value for each in known)


def given(resource: Resource, prop: str) -> Any:
    """A property as the program gives it, for rules over the stack, which see outputs.

    An unknown output that comes from no other resource was left out: AWS will choose it.
    """
    value = resource.props.get(prop)
    return None if value is UNKNOWN and not resource.uses.get(prop) else value


StackCheck = Callable[[Stack, PolicySettings], Findings]
ChangesCheck = Callable[[Iterable[Change], PolicySettings], Findings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the pack.

    Attributes:
        name: unique, in words with hyphens.
        description: one sentence: what must hold.
        severity: how bad it is to break it.
        supports: the controls that it is evidence for; keys of `controls.CONTROLS`.
        remedy: what to do about a finding.
        unknown: what happens where a value is not known before `up`.
        level: whether a finding stops an `up`.
        types: the types that `check` looks at; empty means every type.
        check: the rule over one resource, or None.
        check_stack: the rule over the stack, or None.
        check_changes: the rule over what a plan changes, or None.
    """

    name: str
    description: str
    severity: Severity
    supports: tuple[str, ...]
    remedy: str
    unknown: str = "told, and decided in `up` before the resource is made"
    level: Level = Level.MANDATORY
    types: frozenset[str] = frozenset()
    check: ResourceCheck | None = None
    check_stack: StackCheck | None = None
    check_changes: ChangesCheck | None = None

    def __post_init__(self) -> None:
        checks = (self.check, self.check_stack, self.check_changes)
        if sum(each is not None for each in checks) != 1:
            raise ValueError(f"{self.name}: a rule has exactly one check")

    def looks_at(self, kind: str) -> bool:
        """Whether the rule is about resources of a type."""
        return kind in self.types if self.types else kind.startswith(("aws:", "pulumi:providers:"))


def undecided(path: str, *, urn: str = "") -> Finding:
    """The finding for a value that is not known yet."""
    return Finding(path=path, message="not known before `up`", undecided=True, urn=urn)


def expect(
    resource: Resource, path: str, *wanted: object, message: str, urn: str = ""
) -> Iterator[Finding]:
    """Findings where a property is not one of the wanted values; an absent one is None.

    `urn` is given by rules over the stack; see `given` for what they take as absent.
    """
    left_out = bool(urn) and not resource.uses.get(path.partition(".")[0])
    for where, value in at(resource.props, path):
        found = None if value is UNKNOWN and left_out else truth(value)
        if found is UNKNOWN:
            yield undecided(where, urn=urn)
        elif found not in wanted:
            shown = "nothing" if found is None else repr(found)
            yield Finding(path=where, message=f"{message}; it is {shown}", urn=urn)
