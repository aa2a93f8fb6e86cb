"""From a registered model to a signed engine in the store, and its release."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from engines import facts, manifest, received, sign
from engines import plan as plans
from engines.approval import PROTECTED
from engines.plan import Plan
from engines.release import promote
from engines.spec import EngineSpec, load, load_all
from engines.store import Store
from landfall import files
from landfall.cli.flow import building, models, targets
from landfall.errors import InvalidInput, Problem
from landfall.model import release
from landfall.model.environment import Environment

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and the files that it was made for.

    Attributes:
        plan: of an engine.
        model: the model's folder.
        beside: folders of the draft model and the adapters, by their places in the engine.
    """

    plan: Plan
    model: Path
    beside: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensured:
    """An engine that is there.

    Attributes:
        key: its key.
        built: whether it had to be built.
        unsigned: its folder, where somebody else must sign it; None where it is in the store.
    """

    key: str
    built: bool
    unsigned: Path | None = None

    def next(self, environment: Environment) -> tuple[str, ...]:
        """The commands that bring an unsigned engine into the store."""
        if self.unsigned is None:
            return ()
        signature = f"{self.unsigned}.sig"
        sign_it = f"python -m engines sign {self.unsigned} --signature {signature}"
        take_it = f"landfall engine receive {self.unsigned} --signature {signature}"
        return (
            f"{sign_it} --key KEY --approver NAME",
            f"{take_it} --env {environment.name}",
        )


def specs(environment: Environment) -> dict[str, EngineSpec]:
    """Every spec of the environment's checkout whose target its site has, by served name."""
    found = load_all(environment.root / "engines" / "specs")
    return {name: each for name, each in found.items() if targets.of(environment, each)}


def find(environment: Environment, name: str) -> EngineSpec:
    """The spec of a served name, or in a file.

    Raises:
        InvalidInput: there is no such spec; names those that are.
    """
    if name.endswith((".yaml", ".yml")):
        return load(Path(name))
    known = load_all(environment.root / "engines" / "specs")
    if name not in known:
        message = f"no such engine; there are {', '.join(sorted(known)) or 'none'}"
        raise InvalidInput("engines/specs", [Problem(path=name, message=message)])
    return known[name]


def plan(environment: Environment, name: str, *, tracking_uri: str) -> Planned:
    """What building the engine `name` would do, for the first of its targets.

    Raises:
        InvalidInput: there is no such spec, or it does not fit the model.
    """
    return plan_all(environment, find(environment, name), registry=lambda: tracking_uri)[0]


def plan_all(
    environment: Environment, wanted: EngineSpec, *, registry: Callable[[], str]
) -> list[Planned]:
    """What building `wanted` would do, once for each target that the site has.

    `registry` is asked for its address only where the model is in one.

    Raises:
        InvalidInput: it does not fit the model or the hardware; all problems at once.
        LandfallError: the site has none of the targets.
    """
    there = targets.require(environment, wanted)
    model, folder = models.find(environment, wanted, registry=registry)
    beside = models.beside_of(environment, wanted)
    here = facts.read()
    found: list[Planned] = []
    problems: list[Problem] = []
    where: list[str] = []
    for target in there:
        try:
            made = plans.plan(wanted, model, here, target)
            found.append(Planned(plan=made, model=folder, beside=beside))
        except InvalidInput as error:
            problems += error.problems
            where.append(error.source)
    if problems:
        raise InvalidInput(", ".join(where), problems)
    return found


def ensure(
    environment: Environment,
    planned: Planned,
    *,
    on_host: bool,
    on_progress: Progress,
    host: str = "",
) -> Ensured:
    """Have the planned engine in the store, signed; or built, where others sign.

    Args:
        environment: whose store and signing key.
        planned: what to build.
        on_host: build on the environment's build host, else in this process.
        on_progress: told what is being done.
        host: the build host; chosen where none is given.

    Raises:
        GateFailed: the engine lost more quality than its spec allows.
        IntegrityError: a file is not what the plan says, or what came back is not.
        Refused: no host can build it.
    """
    asked = building.Asked(on_host=on_host, host=host)
    store = Store(environment.store)
    key = planned.plan.key
    with store.hold(key):
        if store.get(key) is not None:
            store.verify(key, environment.keys / sign.PUBLIC_KEY)
            return Ensured(key=key, built=False)
        unsigned = _build(environment, planned, store, asked, on_progress)
    return Ensured(key=key, built=True, unsigned=unsigned)


def _build(
    environment: Environment,
    planned: Planned,
    store: Store,
    asked: building.Asked,
    on_progress: Progress,
) -> Path | None:
    """Build, check, and put into the store what this controller may sign; else where it lies."""
    key = planned.plan.key
    work = building.work(environment, key)
    work.mkdir(parents=True, exist_ok=True)
    built = building.run(
        environment, planned.plan, planned.model, work, asked, on_progress, planned.beside
    )
    # Whoever builds cannot sign: the controller checks what came back, then signs it.
    received.check(planned.plan, built)
    private = _signing_key(environment)
    if private is None:
        return built
    signature = work / "engine.sig"
    sign.sign(built, signature, private)
    store.put(built, signature)
    shutil.rmtree(work)
    return None


def _signing_key(environment: Environment) -> Path | None:
    """The key that signs engines here; None where that is somebody else's to do.

    A rehearsal makes its own. What one person built and signed could not be released to a protected
    environment, so it is not signed for one.
    """
    if environment.rehearsal:
        return sign.generate_keys(environment.keys)[0]
    private = environment.keys / sign.PRIVATE_KEY
    return private if private.exists() and environment.name not in PROTECTED else None


def release_locally(environment: Environment, name: str, key: str) -> bool:
    """Give `key` all requests for `name`, in the rehearsal's own release file. True if it changed.

    A rehearsal's engines are made on each machine, so their keys are not committed; elsewhere a
    release is a commit to `releases/<env>.yaml`.
    """
    released = release.load(environment)
    now = released.get(name)
    if now and [each.key for each in now.engines] == [key]:
        return False
    value = {each: found.model_dump(mode="json") for each, found in released.items()}
    value[name] = promote(now, key).model_dump(mode="json")
    files.write(environment.local_release_file, yaml.safe_dump(value))
    return True


def describe(environment: Environment, key: str) -> str:
    """An engine of the store in a few words: quality and speed, as its manifest has them."""
    entry = Store(environment.store).get(key)
    if entry is None:
        return f"{key[:12]} is not in the store"
    return manifest.read(entry.engine).predicate.summary
