"""What the engine planner says of an environment: against what is released, or a base commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines import backends, facts, key, manifest, spec
from engines import changes as engine_changes
from engines.source import PARTS, ModelSource
from engines.spec import EngineSpec
from engines.store import Store
from landfall.cli.flow import engine, services, targets
from landfall.errors import InvalidInput, LandfallError
from landfall.model import release
from landfall.model.change import Change
from landfall.model.environment import Environment

BASE_NOTE = (
    "Engines are compared by their specs alone: the registry was not asked, so a new version of "
    "a model is not seen here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Changes of the engines, how many stay the same, and what a reader must know."""

    changes: tuple[Change, ...]
    unchanged: int
    notes: tuple[str, ...] = ()


def preview(environment: Environment, base: Path | None) -> Planned:
    """What would be built and released.

    Raises:
        InvalidInput: a spec is wrong; with every problem.
    """
    wanted = engine.specs(environment)
    if base is not None:
        before = spec.load_all(base / SPECS)
        there = {name: each for name, each in before.items() if targets.of(environment, each)}
        found = list(_against_base(environment, wanted, there))
        return _counted(found, len(wanted), notes=(BASE_NOTE,))
    found = [
        each for name in sorted(wanted) for each in _against_release(environment, wanted[name])
    ]
    found += [
        engine_changes.removal(environment.name, name)
        for name in sorted(release.load(environment))
        if name not in wanted
    ]
    return _counted(found, len(wanted))


SPECS = Path("engines") / "specs"


def _counted(found: list[Change | None], specs: int, *, notes: tuple[str, ...] = ()) -> Planned:
    changes = tuple(each for each in found if each is not None)
    return Planned(changes=changes, unchanged=max(specs - len(changes), 0), notes=notes)


def _against_release(environment: Environment, wanted: EngineSpec) -> list[Change | None]:
    """A change for each target of a spec."""
    name = wanted.name
    try:
        made = engine.plan_all(
            environment, wanted, registry=lambda: services.registry_uri(environment)
        )
    except InvalidInput:
        raise
    except LandfallError as error:
        return [engine_changes.unknown(environment.name, name, error.message.splitlines()[0])]
    store = Store(environment.store)
    stored = {entry.key for entry in store.entries()}
    before = dict(_released(environment, name, store))
    return [
        engine_changes.compare(
            environment.name,
            before=before.get(each.plan.target),
            after=each.plan,
            stored=stored,
            label=_label(name, each.plan.target, alone=len(made) == 1),
        )
        for each in made
    ]


def _released(environment: Environment, name: str, store: Store) -> Iterator[tuple[str, key.Parts]]:
    """What answers for a name now: for each target the parts of its first engine."""
    for share in reversed(release.shares(release.load(environment), name)):
        entry = store.get(share.key)
        if entry is not None:
            about = manifest.read(entry.engine).predicate
            yield about.target, about.parts


def _label(name: str, target: str, *, alone: bool) -> str:
    return name if alone else f"{name}/{target}"


def _against_base(
    environment: Environment,
    after: dict[str, EngineSpec],
    before: dict[str, EngineSpec],
) -> Iterator[Change | None]:
    for name in sorted(after):
        now = before.get(name)
        then = dict(_parts(environment, now)) if now else {}
        there = dict(_parts(environment, after[name]))
        for target, parts in there.items():
            yield engine_changes.respecified(
                environment.name,
                _label(name, target, alone=len(there) == 1),
                before=then.get(target),
                after=parts,
            )
    for name in sorted(before.keys() - after.keys()):
        yield engine_changes.removal(environment.name, name)


def _parts(environment: Environment, wanted: EngineSpec) -> Iterator[tuple[str, key.Parts]]:
    """For each target the parts of a key that a spec decides; the model's are left empty."""
    contained = backends.find(wanted.backend).CONTAINED
    nobody = ModelSource(
        name=wanted.model.name,
        version=wanted.model.version or "",
        files={} if contained else dict.fromkeys(PARTS.values(), ""),
        context=0,
        graph_bytes=0,
        classification=wanted.classification,
        form="checkpoint" if contained else "graph",
    )
    here = facts.read()
    for target in targets.of(environment, wanted):
        parts = key.parts(wanted, nobody, here, target)
        yield target.name, {**parts, "model": wanted.model.told}
