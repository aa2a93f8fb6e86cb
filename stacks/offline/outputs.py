"""What a resource gives back: its id and its outputs, when planned, made and updated."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stacks.offline import special, vpn
from stacks.offline.compare import Sides
from stacks.offline.prepare import FILLED, Surroundings, all_tags
from stacks.offline.schema import ResourceSchema, Shape
from stacks.offline.semantics import Rules
from stacks.offline.stale import stale
from stacks.offline.templates import Source, empty, evaluate, placeholder
from stacks.offline.wire import UNKNOWN, Properties, Secret, is_secret, reveal

TEXT = Shape(kind="string")

VPN_CONNECTION = "aws:ec2/vpnConnection:VpnConnection"

ATTEMPTS = 100
"""How often a resource that replaces one with the same inputs tries for another id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One resource: what it is called, what its type has, and where it stands."""

    urn: str
    schema: ResourceSchema
    rules: Rules
    around: Surroundings
    known: Mapping[str, Properties] = field(default_factory=dict)
    """The outputs of other resources of this run, by id."""

    @property
    def type_name(self) -> str:
        """The type without its module: `Vpc`."""
        return self.rules.token.rpartition(":")[2]


def planned(subject: Subject, inputs: Properties) -> Properties:
    """The outputs of a resource that does not exist yet: what AWS computes is unknown."""
    outputs = _given(subject, inputs)
    for name in _computed(subject, outputs):
        outputs[name] = UNKNOWN
    return outputs


def made(subject: Subject, inputs: Properties, *, replaced: str = "") -> tuple[str, Properties]:
    """The id and the outputs of a new resource.

    Both depend on the URN and on the inputs that may force a replacement, so that a run that does
    the same gives the same, and a replacement another id. `replaced` is the id of the resource
    that this one replaces, for a replacement that no input has caused.
    """
    first = _seed(subject, inputs)
    for attempt in range(ATTEMPTS):
        seed = f"{first}|{attempt}" if attempt else first
        work = _Work(subject, _given(subject, inputs), seed)
        identity = str(work.value("id"))
        if identity != replaced:
            break
    for name in sorted(_computed(subject, work.outputs)):
        work.value(name)
    return identity, work.finish()


def updated(subject: Subject, sides: Sides, state: Properties, inputs: Properties) -> Properties:
    """The outputs after an update in place. The id stays."""
    changed = stale(sides)
    work = _Work(subject, _kept(subject, sides, state, inputs), _seed(subject, inputs, all_of=True))
    for name in sorted(changed, key=lambda name: not _counts(subject, name)):
        if _counts(subject, name):
            before = reveal(state.get(name)) or 0
            work.outputs[name] = type(before)(int(before) + 1)
        else:
            work.outputs.pop(name, None)
    for name in sorted(changed - work.outputs.keys() - {"id"}):
        work.value(name)
    return work.finish()


def planned_update(
    subject: Subject, sides: Sides, state: Properties, inputs: Properties
) -> Properties:
    """The outputs of an update that is only planned: what it changes is unknown."""
    outputs = _kept(subject, sides, state, inputs)
    return outputs | dict.fromkeys(stale(sides) - {"id"}, UNKNOWN)


def _given(subject: Subject, inputs: Properties) -> Properties:
    """The outputs that are inputs, or defaults that a provider shows in outputs only."""
    outputs = {name: value for name, value in inputs.items() if name != FILLED}
    for name in subject.rules.defaults:
        default = subject.rules.default(name)
        if default is not None and name in subject.schema.outputs:
            outputs.setdefault(name, default)
    return outputs


def _kept(subject: Subject, sides: Sides, state: Properties, inputs: Properties) -> Properties:
    """The state with the new inputs; what the program no longer sets goes, or is kept by AWS."""
    rules = subject.rules
    gone = sides.old_inputs.keys() - inputs.keys() - rules.optional_computed
    return {name: value for name, value in state.items() if name not in gone} | _given(
        subject, inputs
    )


def _computed(subject: Subject, outputs: Properties) -> set[str]:
    """The outputs that only AWS knows."""
    rules = subject.rules
    named = rules.computed.keys() | rules.optional_computed
    return {
        name
        for name, output in subject.schema.outputs.items()
        if name not in outputs and (name in named or output.required)
    }


def _counts(subject: Subject, name: str) -> bool:
    """Whether an output is a number that grows by one with each change."""
    text = subject.rules.computed.get(name, "")
    return bool(re.match(r"(int|string), .*(\+ ?1|newest)", text))


def _seed(subject: Subject, inputs: Properties, *, all_of: bool = False) -> str:
    rules = subject.rules
    every = all_of or not rules.known
    names = set(inputs) if every else rules.identity & inputs.keys()
    names -= {FILLED, "tags", "tagsAll"}
    chosen = {name: _public(inputs[name]) for name in sorted(names - rules.secret)}
    text = json.dumps([subject.urn, chosen], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _public(value: Any) -> Any:
    """The value, but nothing of a secret one: what is derived from it stands in clear in state."""
    return "" if is_secret(value) else value


class _Work:
    """The outputs of one resource while they are made: each may ask for another."""

    def __init__(self, subject: Subject, outputs: Properties, seed: str) -> None:
        self.subject = subject
        self.outputs = outputs
        self.seed = seed
        self._makeable = _computed(subject, outputs) | {"id"}
        self._open: set[str] = set()
        self._secret = False
        self._special: Properties | None = None

    def value(self, name: str) -> Any:
        """An output, made now if it is not there. None where it would need itself."""
        if name in self.outputs:
            found = self.outputs[name]
            self._secret = self._secret or is_secret(found)
            return reveal(found)
        if name in self._open or name not in self._makeable:
            return None
        self._open.add(name)
        outer, self._secret = self._secret, False
        found = self._make(name)
        self.outputs[name] = Secret(found) if self._secret else found
        self._secret = self._secret or outer
        self._open.discard(name)
        return found

    def finish(self) -> Properties:
        """The outputs, secret where the table says so, without the id."""
        secret = self.subject.rules.secret
        return {
            name: Secret(value) if name in secret and not isinstance(value, Secret) else value
            for name, value in self.outputs.items()
            if name != "id" and value is not None
        }

    def _make(self, name: str) -> Any:
        subject, source = self.subject, self._source(name)
        shape = TEXT if name == "id" else subject.schema.outputs[name].shape
        known = self._special_values(source)
        if name == "presharedKeyArn" and self.value("presharedKeyStorage") == vpn.SECRETS_MANAGER:
            return evaluate(vpn.KEYS_ARN, shape, source)
        text = subject.rules.computed.get(name)
        if name in known:
            return known[name]
        if name == "tagsAll":
            return reveal(all_tags(self.outputs.get("tags"), subject.around))
        if text is not None:
            return evaluate(text, shape, source)
        known_optional = name in subject.rules.optional_computed
        return empty(shape) if known_optional else placeholder(shape, source.what)

    def _special_values(self, source: Source) -> Properties:
        """Values that follow from more than the table's text."""
        if self._special is None:
            schema, rules = self.subject.schema, self.subject.rules
            self._special = {"availabilityZone": f"{source.region}a"}
            if not rules.known:
                self._special["id"] = f"offline-{source.draw('hex', 17, 'id')}"
            if "latestVersion" in schema.outputs and "defaultVersion" not in rules.computed:
                self._special["defaultVersion"] = self.value("latestVersion")
            self._special |= special.values(rules.token, self.value, source)
            if rules.token == VPN_CONNECTION:
                given = {name: reveal(value) for name, value in self.outputs.items()}
                made = vpn.outputs(replace(source, names=given.get), self.subject.known.get)
                self._special |= {name: made[name] for name in made if name not in given}
        return self._special

    def _source(self, name: str) -> Source:
        around = self.subject.around
        region = reveal(self.outputs.get("region")) or around.region
        return Source(
            seed=self.seed,
            names=self.value,
            account=around.account,
            region=str(region),
            what=f"{self.subject.type_name}.{name}",
        )
