"""Cases of rules, read from `cases/<rule>.yaml`: resources, and what a rule finds in them.

A resource is `[type, properties]` or `[type, properties, provider's properties]`. In a property
`${name.output}` is an output of another resource of the case and `???` a value that is not known
before `up`. `engine: false` keeps a case from the real engine, which would not take it, and so do
`settings`, the limits in which it differs from strict.yaml, but where `engine_settings` says that
the engine's failing run has these limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from landfall.model.parsing import parse
from stacks.policy.rule import Finding, Findings, Resource, Rule, Stack
from stacks.policy.settings import PolicySettings
from stacks.policy.values import UNKNOWN, NotYetKnown

FOLDER = Path(__file__).parent / "cases"
STRICT = Path(__file__).parent / "strict.yaml"
REFERENCE = re.compile(r"\$\{(\w+)\.(\w+)\}")
ELSEWHERE = "urn:pulumi:dev::test::aws:ssm/parameter:Parameter::"
PROVIDER = {
    "region": "eu-central-1",
    "defaultTags": {"tags": {"landfall:environment": "dev", "landfall:site": "rack"}},
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One resource of a case."""

    type: str
    props: Mapping[str, Any]
    provider: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Resources and what a rule finds in them: nothing, where `finds` and `undecided` are empty.

    Attributes:
        finds: texts; each is in one finding, written as `resource path: message`.
        undecided: paths that the rule cannot decide yet.
    """

    rule: str
    name: str
    resources: Mapping[str, Declared]
    finds: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: bool = True
    engine_settings: bool = False

    @property
    def for_engine(self) -> bool:
        """Whether the real engine can be asked about it."""
        own_limits = self.settings and not self.engine_settings
        return self.engine and not self.undecided and not own_limits

    @property
    def id(self) -> str:
        return f"{self.rule}: {self.name}"


def load(rule: str) -> list[Case]:
    """The cases of a rule; none where it has no file."""
    path = FOLDER / f"{rule}.yaml"
    return [_case(rule, each) for each in yaml.safe_load(path.read_text())] if path.exists() else []


def _case(rule: str, written: dict[str, Any]) -> Case:
    resources = {
        name: Declared(
            type=declared[0],
            props=declared[1],
            provider=declared[2] if len(declared) > 2 else PROVIDER,
        )
        for name, declared in written.pop("resources", {}).items()
    }
    for name in ("finds", "undecided"):
        written[name] = tuple(written.get(name, ()))
    return Case(rule=rule, name=written.pop("case"), resources=resources, **written)


def strict(changes: Mapping[str, Any] | None = None) -> PolicySettings:
    """The limits of strict.yaml, with some of them different."""
    written = {**yaml.safe_load(STRICT.read_text()), **(changes or {})}
    return parse(PolicySettings, written, source="strict.yaml")


def findings(
    rule: Rule, case: Case, *, instead: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Finding]:
    """What a rule finds in a case, as in a first preview: no output of anything is known.

    `instead` has other properties for some resources; they refer to what the case's refer to, or
    to something else.
    """
    settings = strict(case.settings)
    made = {name: _resource(case, name) for name in case.resources}
    for name, props in (instead or {}).items():
        uses = {prop: made[name].uses.get(prop) or [f"{ELSEWHERE}{prop}"] for prop in props}
        made[name] = replace(made[name], props=props, uses=uses)
    if rule.check_stack is not None:
        sent: dict[str, list[Resource]] = {}
        for each in made.values():
            sent.setdefault(each.type, []).append(each)
        return list(_all(rule.check_stack(Stack(sent=sent, make=lambda each: each), settings)))
    assert rule.check is not None
    found = []
    for each in made.values():
        if rule.looks_at(each.type):
            found += [(each, one) for one in _all(rule.check(each, settings))]
    return [
        Finding(path=one.path, message=one.message, undecided=one.undecided, urn=each.urn)
        for each, one in found
    ]


def _all(found: Findings) -> Iterator[Finding]:
    try:
        yield from found
    except NotYetKnown as error:
        yield Finding(path=error.path, message="", undecided=True)


def urn(case: Case, name: str) -> str:
    """What a resource of a case is called."""
    return f"urn:pulumi:dev::test::{case.resources[name].type}::{name}"


def _resource(case: Case, name: str) -> Resource:
    declared = case.resources[name]
    uses = {
        prop: [urn(case, each) for each in references(value)]
        for prop, value in declared.props.items()
    }
    return Resource(
        type=declared.type,
        name=name,
        urn=urn(case, name),
        props=unknown(declared.props),
        provider=declared.provider,
        uses=uses,
    )


def references(value: Any) -> list[str]:
    """The names of the resources that a value refers to."""
    return [found[0] for found in REFERENCE.findall(str(value))]


def unknown(value: Any) -> Any:
    """A property as the engine has it in a first preview."""
    if isinstance(value, str):
        return UNKNOWN if value == "???" or REFERENCE.search(value) else value
    if isinstance(value, dict):
        return {name: unknown(each) for name, each in value.items()}
    return [unknown(each) for each in value] if isinstance(value, list) else value
