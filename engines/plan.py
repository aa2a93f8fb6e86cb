"""A plan: everything that a build will do, as a value. Made without touching anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Self

from pydantic import Field, PositiveInt, model_validator

from engines import backends, key
from engines.backends import Answer, Question, Step
from engines.facts import Facts
from engines.fit import Fit, Verdict
from engines.fit.estimate import estimate
from engines.fit.memory import fit
from engines.fit.proposals import proposals
from engines.fit.question import missing, waiting
from engines.planned import BuildNeed, MemoryFit, MemoryItem, Place, PlannedStep, Served, Speed
from engines.source import ModelSource
from engines.spec import EngineSpec, Gates
from engines.target import CPU, Target
from landfall.errors import InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.parsing import Written, parse

__all__ = ["Plan", "PlannedStep", "plan", "read"]

HEX_KEY = "^[0-9a-f]{64}$"

COMMANDS = "commands"
"""The part of a key that covers the steps."""


class Plan(Written):
    """A build, decided. Carried from the controller to a host as JSON.

    Attributes:
        key: of the engine that it makes; `parts` are what the key is made of.
        engine: the served name.
        source: the model and the digests of its files.
        steps: what will be done, in order, each in a process of its own.
        slots: rows of the cache that the engine is measured for.
        room: tokens in each row.
        expected_bytes: about how large the engine will be.
        version: of the backend, exactly.
        container: `PATH@sha256:DIGEST`; empty where the build runs in our own process.
        serve: the command that answers requests; None where Landfall's own server does.
        files: that steps read, by their path in the container.
        reference: what serves the unquantised model, for the gate for quality; None for nothing.
        timing_cache: SHA-256 of the timings that the build starts from.
        fit: memory of one GPU; None for a CPU. `speed` is an estimate for it.
        needs: what the build itself takes.
        place: where it must run.
        missing: what must be given before it can be built; the key is not final until then.
        notes: what a reader must know.
    """

    key: str = Field(pattern=HEX_KEY)
    parts: dict[str, str]
    engine: str
    kind: str = "text_generation"
    backend: str
    mode: str = ""
    version: str = ""
    container: str = ""
    precision: str
    kv_cache: str = ""
    tensor: PositiveInt = 1
    pipeline: PositiveInt = 1
    target: str
    classification: Classification
    source: ModelSource
    source_digest: str
    steps: tuple[PlannedStep, ...]
    serve: PlannedStep | None = None
    files: dict[str, str] = Field(default_factory=dict)
    reference: Served | None = None
    timing_cache: str = ""
    gates: Gates
    slots: int
    room: int
    expected_bytes: int
    fit: MemoryFit | None = None
    speed: Speed | None = None
    needs: tuple[BuildNeed, ...] = ()
    place: Place | None = None
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if key.of(self.parts) != self.key:
            raise ValueError("key: is not the digest of parts; the plan was edited")
        if self.source.digest != self.source_digest:
            raise ValueError("source_digest: is not the digest of source; the plan was edited")
        steps = (
            Step(action=each.action, argv=each.argv, environment=each.environment)
            for each in self.steps
        )
        if COMMANDS in self.parts and key.of_steps(steps) != self.parts[COMMANDS]:
            raise ValueError("steps: are not those of the key; the plan was edited")
        return self

    def to_json(self) -> str:
        """The plan as text, the same text for the same plan."""
        return self.model_dump_json(indent=2) + "\n"


def plan(spec: EngineSpec, source: ModelSource, facts: Facts, target: Target = CPU) -> Plan:
    """What building `spec` from `source` for `target` would do.

    `facts` are those of the host where the backend runs in our own process.

    Raises:
        InvalidInput: the spec does not fit the model or the hardware; all problems at once.
    """
    backend = backends.find(spec.backend)
    version = spec.version or facts.packages.get(backend.PACKAGE, "")
    question = Question(spec=spec, source=source, target=target, version=version)
    where = f"engine {spec.name}" + ("" if target.gpu is None else f" for {target.name}")
    problems = [*backend.refusals(question), *_problems(spec, source)]
    if problems:
        raise InvalidInput(where, problems)
    answer = backend.answer(question)
    found = fit(answer.ask) if answer.ask is not None else None
    if found is not None and found.verdict is Verdict.NOT:
        message = missing(found, proposals(found.ask, most=target.most))
        raise InvalidInput(where, [Problem(path="target", message=message)])
    return _plan(question, answer, found, key.parts(spec, source, facts, target, answer.steps))


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


def _plan(question: Question, answer: Answer, found: Fit | None, parts: key.Parts) -> Plan:
    spec, source, target = question.spec, question.source, question.target
    return Plan(
        key=key.of(parts),
        parts=parts,
        engine=spec.name,
        kind=spec.kind,
        backend=spec.backend,
        mode=spec.mode,
        version=question.version,
        container=spec.container,
        precision=spec.precision,
        kv_cache=spec.kv_cache,
        tensor=spec.parallelism.tensor,
        pipeline=spec.parallelism.pipeline,
        target=target.name,
        classification=spec.classification,
        source=source,
        source_digest=source.digest,
        steps=tuple(_step(step) for step in answer.steps),
        serve=_step(answer.serve) if answer.serve is not None else None,
        files=dict(answer.files),
        reference=_reference(answer),
        timing_cache=spec.timing_cache or "",
        gates=spec.gates,
        slots=spec.limits.max_batch,
        room=spec.limits.max_sequence,
        expected_bytes=answer.expected_bytes,
        fit=_fit(found) if found is not None else None,
        speed=_speed(question, found) if found is not None else None,
        needs=tuple(BuildNeed(name=n.name, size=n.size, why=n.why) for n in answer.needs),
        place=_place(question),
        missing=tuple(_missing(question)),
        notes=tuple(_notes(question, answer, found)),
    )


def _step(step: Step) -> PlannedStep:
    return PlannedStep(
        action=step.action,
        settings=dict(step.settings),
        argv=step.argv,
        environment=dict(step.environment),
        why=step.why,
    )


def _reference(answer: Answer) -> Served | None:
    if answer.reference is None:
        return None
    return Served(step=_step(answer.reference), files=dict(answer.reference_files))


def _fit(found: Fit) -> MemoryFit:
    return MemoryFit(
        verdict=found.verdict.name.lower(),
        binds=found.binds,
        items=tuple(MemoryItem(name=i.name, size=i.size, why=i.why) for i in found.items),
        pool=found.pool,
        largest_batch=found.largest_batch,
        largest_sequence=found.largest_sequence,
        not_established=found.open,
    )


def _speed(question: Question, found: Fit) -> Speed:
    prompt = question.spec.limits.prompt
    answer = max(1, found.ask.sequence - prompt)
    batch = min(found.largest_batch, found.ask.batch)
    told = estimate(found.ask, prompt=prompt, answer=answer, batch=batch)
    return Speed(**asdict(told))


def _place(question: Question) -> Place | None:
    if question.target.gpu is None:
        return None
    gpus = question.spec.parallelism.gpus
    return Place(
        hosts=tuple(each.name for each in question.target.servers if each.count >= gpus),
        gpus=gpus,
        rule=f"a host with {gpus} {question.target.name}, dedicated to builds or drained",
    )


def _missing(question: Question) -> Iterator[str]:
    spec = question.spec
    yield from question.source.missing
    if backends.find(spec.backend).CONTAINED and not spec.container:
        yield "container: PATH@sha256:DIGEST of the image that runs the steps"


def _notes(question: Question, answer: Answer, found: Fit | None) -> Iterator[str]:
    yield from answer.notes
    if found is not None and found.verdict is Verdict.WAITS:
        yield waiting(found, proposals(found.ask, most=question.target.most))
    servers = {each.name: each.memory_gib for each in question.target.servers}
    for need in answer.needs:
        short = [name for name, gib in servers.items() if 0 < gib * 2**30 < (need.size or 0)]
        if need.name == "memory of the host" and short:
            yield f"{', '.join(short)}: less memory than the build takes; build elsewhere"
        gpu = question.target.gpu
        if need.name == "memory of one GPU" and gpu and (need.size or 0) > gpu.memory:
            yield f"one {gpu.name} is too small for the build: bring the checkpoint made elsewhere"


def _problems(spec: EngineSpec, source: ModelSource) -> Iterator[Problem]:
    if not spec.classification.covers(source.classification):
        yield Problem(
            path="classification",
            message=f"{source.name} version {source.version} was trained on"
            f" {source.classification} data, so the engine must be"
            f" {source.classification} or higher, not {spec.classification}",
        )
    fixed = spec.model.version
    named = spec.model.form != "registry" or source.name == spec.model.name
    if not named or fixed not in (None, source.version):
        yield Problem(
            path="model",
            message=f"is {spec.model.told}, not {source.name} version {source.version}",
        )
