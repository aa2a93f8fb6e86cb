"""What the engine planner says of an environment: against what is released, or a base commit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines import changes as engine_changes
from engines import facts, key, manifest, spec
from engines.source import PARTS, ModelSource
from engines.store import Store
from landfall.cli.flow import engine, services
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
        found = list(_against_base(environment.name, wanted, spec.load_all(base / SPECS)))
        return _counted(found, len(wanted), notes=(BASE_NOTE,))
    found = [_against_release(environment, name) for name in sorted(wanted)]
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


def _against_release(environment: Environment, name: str) -> Change | None:
    try:
        uri = services.registry_uri(environment)
        planned = engine.plan(environment, name, tracking_uri=uri).plan
    except InvalidInput:
        raise
    except LandfallError as error:
        return engine_changes.unknown(environment.name, name, error.message.splitlines()[0])
    store = Store(environment.store)
    stored = {entry.key for entry in store.entries()}
    now = release.load(environment).get(name)
    entry = store.get(now.engines[0].key) if now else None
    before = manifest.read(entry.engine).predicate.parts if entry else None
    return engine_changes.compare(environment.name, before=before, after=planned, stored=stored)


def _against_base(
    environment: str, after: dict[str, spec.EngineSpec], before: dict[str, spec.EngineSpec]
) -> Iterator[Change | None]:
    for name in sorted(after):
        now = before.get(name)
        yield engine_changes.respecified(
            environment, name, before=_parts(now) if now else None, after=_parts(after[name])
        )
    for name in sorted(before.keys() - after.keys()):
        yield engine_changes.removal(environment, name)


def _parts(wanted: spec.EngineSpec) -> key.Parts:
    """The parts of a key that a spec decides; those of the model are left empty on both sides."""
    nobody = ModelSource(
        name=wanted.model.name,
        version=wanted.model.version or "",
        files=dict.fromkeys(PARTS.values(), ""),
        context=1,
        graph_bytes=1,
        classification=wanted.classification,
    )
    reference = wanted.model.version or f"alias {wanted.model.alias}"
    return {**key.parts(wanted, nobody, facts.read()), "model": f"{wanted.model.name} {reference}"}
