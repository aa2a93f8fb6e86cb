"""`landfall engine plan` for people: a plan as sections of short tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engines import changes, key, manifest
from engines.fit import gib, show
from engines.fit.estimate import Estimate
from engines.plan import Plan
from engines.planned import PlannedStep
from engines.recipes import Command
from engines.store import Store
from landfall.errors import IntegrityError
from landfall.model import release
from landfall.model.environment import Environment

SHORT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a title."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(environment: Environment, plan: Plan) -> Iterator[Section]:
    """The plan, what matters most first: whether it fits, what is missing, why, what is run."""
    gpus = plan.place.gpus if plan.place else 1
    where = plan.target if gpus == 1 else f"{gpus} of {plan.target}"
    how = f"{plan.backend} {plan.version}".strip() + (f", mode {plan.mode}" if plan.place else "")
    yield Section(
        title=f"{plan.engine} on {where}, {how}, {plan.precision}",
        columns=("", ""),
        rows=tuple(_summary(environment, plan)),
    )
    if plan.fit is not None:
        items = [(each.name, gib(each.size), each.why) for each in plan.fit.items]
        pool = ("cache", gib(plan.fit.pool), f"{plan.fit.largest_batch} sequences at full length")
        yield Section(
            title="memory of one GPU", columns=("item", "size", "how it is known"),
            rows=(*items, pool),
        )  # fmt: skip
    if plan.needs:
        rows = [
            (each.name, "unknown" if each.size is None else gib(each.size), each.why)
            for each in plan.needs
        ]
        yield Section(title="it takes", columns=("", "at least", "why"), rows=tuple(rows))
    yield Section(title="the key is made of", columns=("part", ""), rows=tuple(plan.parts.items()))


def commands(plan: Plan) -> Iterator[str]:
    """What is run, each step in a process of its own, as one would type it."""
    for number, step in enumerate(plan.steps, 1):
        yield f"# step {number}: {step.why}".rstrip(": ")
        yield _shown(step)
    if plan.serve is not None:
        yield f"# serve: {plan.serve.why}"
        yield _shown(plan.serve)
    if plan.reference is not None and plan.steps:
        yield "# to compare with: the unquantised model, served while the gates run"
        yield _shown(plan.reference.step)
    for path, content in plan.files.items():
        yield f"# {path}"
        yield content.rstrip()


def _summary(environment: Environment, plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.fit is not None:
        yield "fits", _verdict(plan)
        yield "binds", plan.fit.binds
        yield from (("not established", each) for each in plan.fit.not_established)
    if plan.speed is not None:
        yield "speed", show.speed(Estimate(**plan.speed.model_dump()))
    yield from (("missing", each) for each in plan.missing)
    yield "model", f"{plan.source.name} {plan.source.version}".strip()
    yield "key", f"{plan.key}{' (not final: something is missing)' if plan.missing else ''}"
    store = Store(environment.store)
    built = store.get(plan.key) is not None
    yield "in the store", "yes: building it again is a cache hit" if built else "no"
    yield from _reasons(environment, plan, store)
    if plan.container:
        yield "container", plan.container
    if plan.place is not None:
        hosts = ", ".join(plan.place.hosts) or "no host of this site"
        yield "runs on", f"{plan.place.rule}: {hosts}"
    yield "engine size", f"about {gib(plan.expected_bytes)}"
    yield from (("note", each) for each in plan.notes)


def _verdict(plan: Plan) -> str:
    fit = plan.fit
    if fit is None or fit.verdict == "fits":
        return f"yes, {plan.slots} at a time with {plan.room:,} tokens each"
    return (
        f"in part: {fit.largest_batch} of {plan.slots} at a time with {plan.room:,} tokens each, "
        f"or {plan.slots} with {fit.largest_sequence:,}"
    )


def _reasons(environment: Environment, plan: Plan, store: Store) -> Iterator[tuple[str, str]]:
    """Why what answers now is not this engine."""
    for share in release.shares(release.load(environment), plan.engine):
        entry = store.get(share.key)
        if entry is None or share.key == plan.key:
            continue
        try:
            before = manifest.read(entry.engine).predicate
        except IntegrityError:
            continue
        if before.target == plan.target:
            told = changes.reasons(key.difference(before.parts, plan.parts))
            yield from ((f"not {share.key[:SHORT]}", each) for each in told)


def _shown(step: PlannedStep) -> str:
    if not step.argv:
        return " ".join([step.action, *(f"{k}={v}" for k, v in step.settings.items())])
    return Command(
        tool=step.action, argv=step.argv, why=step.why, environment=step.environment
    ).shown
