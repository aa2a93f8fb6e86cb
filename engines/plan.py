"""A plan: everything that a build will do, as a value. Made without touching anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator

from engines import backends, key
from engines.facts import Facts
from engines.source import ModelSource
from engines.spec import EngineSpec, Gates
from landfall.errors import InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.parsing import Written, parse

HEX_KEY = "^[0-9a-f]{64}$"


class PlannedStep(Written):
    """One thing that the build does."""

    action: str
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)


class Plan(Written):
    """A build, decided. Carried from the controller to a host as JSON.

    Attributes:
        key: of the engine that it makes; `parts` are what the key is made of.
        engine: the served name.
        source: the model and the digests of its files.
        steps: what will be done, in order.
        slots: rows of the cache that the engine is measured for.
        room: tokens in each row.
        expected_bytes: about how large the engine will be.
    """

    key: str = Field(pattern=HEX_KEY)
    parts: dict[str, str]
    engine: str
    backend: str
    precision: str
    target: str
    classification: Classification
    source: ModelSource
    source_digest: str
    steps: tuple[PlannedStep, ...]
    gates: Gates
    slots: int
    room: int
    expected_bytes: int

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if key.of(self.parts) != self.key:
            raise ValueError("key: is not the digest of parts; the plan was edited")
        if self.source.digest != self.source_digest:
            raise ValueError("source_digest: is not the digest of source; the plan was edited")
        return self

    def to_json(self) -> str:
        """The plan as text, the same text for the same plan."""
        return self.model_dump_json(indent=2) + "\n"


def plan(spec: EngineSpec, source: ModelSource, facts: Facts) -> Plan:
    """What building `spec` from `source` on a host with `facts` would do.

    Raises:
        InvalidInput: the spec does not fit the model or the host; all problems at once.
    """
    problems = list(_problems(spec, source, facts))
    if problems:
        raise InvalidInput(f"engine {spec.name}", problems)
    backend = backends.find(spec.backend)
    parts = key.parts(spec, source, facts)
    return Plan(
        key=key.of(parts),
        parts=parts,
        engine=spec.name,
        backend=spec.backend,
        precision=spec.precision,
        target=spec.target,
        classification=spec.classification,
        source=source,
        source_digest=source.digest,
        steps=tuple(
            PlannedStep(action=step.action, settings=dict(step.settings))
            for step in backend.steps(spec.precision)
        ),
        gates=spec.gates,
        slots=spec.limits.max_batch,
        room=spec.limits.max_sequence,
        expected_bytes=backend.expected_bytes(spec.precision, source.graph_bytes),
    )


def read(text: str, *, source: str = "plan") -> Plan:
    """A plan from its JSON. `source` names the file in messages.

    Raises:
        InvalidInput: it is not a plan, or was edited after it was made.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput(source, [Problem(path="", message=f"not JSON: {error}")]) from error
    return parse(Plan, value, source=source)


def _problems(spec: EngineSpec, source: ModelSource, facts: Facts) -> Iterator[Problem]:
    backend = backends.find(spec.backend)
    wrong = backend.version_problem(facts.packages.get(backend.PACKAGE))
    if wrong:
        yield Problem(path="backend", message=wrong)
    if spec.limits.max_sequence > source.context:
        yield Problem(
            path="limits.max_sequence",
            message=f"{source.name} reads at most {source.context} tokens,"
            f" not {spec.limits.max_sequence}",
        )
    if not spec.classification.covers(source.classification):
        yield Problem(
            path="classification",
            message=f"{source.name} version {source.version} was trained on"
            f" {source.classification} data, so the engine must be"
            f" {source.classification} or higher, not {spec.classification}",
        )
    fixed = spec.model.version
    if source.name != spec.model.name or fixed not in (None, source.version):
        wanted = f"{spec.model.name} {f'version {fixed}' if fixed else spec.model.alias}"
        yield Problem(
            path="model", message=f"is {wanted}, not {source.name} version {source.version}"
        )
