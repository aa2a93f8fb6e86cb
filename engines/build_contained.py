"""Carry out a plan for GPUs: its steps in a container, then the engine's folder, then its gates.

`engines.build` has the lock, verifies the model and gives the finished folder its name. Steps that
are done lie in a folder beside the engine until the engine is there, so that a build that was
killed, or that failed a gate, goes on where it stopped.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engines import attest, carried, digest, layout, manifest, steps, workbench
from engines.facts import Facts
from engines.gate import Progress, served
from engines.plan import Plan
from engines.steps import Work
from engines.store import FULL
from landfall import files
from landfall.errors import IntegrityError, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a build in a container is given besides plan and model.

    Attributes:
        registry: of the site, from which the image was pulled.
        timings: the file that the plan's timing_cache is the digest of; None for none.
        beside: folders of the draft model and the adapters, by their places in the engine.
    """

    registry: str = ""
    timings: Path | None = None
    beside: Mapping[str, Path] = field(default_factory=dict)


NOTHING = Given()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A host on which a plan can be carried out: its facts, and what the build works with."""

    facts: Facts
    work: Work


def ready(plan: Plan, model: Path, out: Path, given: Given) -> Ready:
    """See that this host can carry out the plan, before anything is done.

    Raises:
        Refused: names everything that keeps it from that.
        IntegrityError: the timings, the draft model or an adapter is not that of the plan.
    """
    bench = workbench.read(plan, _folder(plan, out), given.registry)
    devices = workbench.check(plan, bench)
    _check_timings(plan, given)
    carried.verify(given.beside, plan.source)
    folder = _folder(plan, out)
    sweep(out, but=folder)
    folder.mkdir(exist_ok=True)
    work = Work(
        folder=folder,
        log=out.with_name(f"{out.name}.log"),
        model=model.resolve(),
        registry=given.registry,
        devices=devices,
        timings=given.timings,
        beside={place: path.resolve() for place, path in given.beside.items()},
    )
    return Ready(facts=bench.here, work=work)


def make(plan: Plan, folder: Path, host: Ready, on_progress: Progress) -> None:
    """Make the engine in the empty `folder`: its parts, its gates, its manifest.

    Raises:
        CommandFailed: a step failed.
        GateFailed: a gate was missed; the steps stay done.
        LandfallError: the disk is full.
    """
    done = steps.carry_out(plan, host.work, on_progress)
    try:
        for source, name in _parts(plan, host.work, done):
            _link(source, folder / name)
        for path, content in plan.files.items():
            files.write(folder / layout.place(path), content)
        found = served.gates(plan, folder, host.work, on_progress)
        measured = {
            "quality": found.quality, "speed": found.speed, "gates": found.outcomes,
        }  # fmt: skip
        about = attest.predicate(plan, host.facts, plan.version)
        manifest.write(folder, about.model_copy(update=measured))
        files.flush(folder)
    except OSError as error:
        if error.errno in FULL:
            raise steps.full(plan, host.work, "putting the engine together") from error
        raise
    told = ", ".join(f"{each.name} {each.outcome}" for each in found.outcomes)
    on_progress(f"{plan.engine}: {told}")


def sweep(out: Path, *, but: Path | None = None) -> None:
    """Remove what builds of `out` kept of their steps, `but` one. Their log stays."""
    for kept in out.parent.glob(f".{out.name}.work-*"):
        if kept != but:
            shutil.rmtree(kept)


def _folder(plan: Plan, out: Path) -> Path:
    return out.with_name(f".{out.name}.work-{plan.key[:12]}")


def _check_timings(plan: Plan, given: Given) -> None:
    if not plan.timing_cache:
        return
    if given.timings is None:
        raise Refused(
            f"{plan.engine} is pinned to the timings {plan.timing_cache[:12]}, which are not given",
            hint="An engine that has them as timing.cache must be in the store.",
        )
    if digest.of_file(given.timings) != plan.timing_cache:
        raise IntegrityError(f"{given.timings} has not the digest {plan.timing_cache[:12]}")


def _parts(plan: Plan, work: Work, done: list[Path]) -> Iterator[tuple[Path, str]]:
    """Every file of the engine: where it is now, and its place in the engine's folder."""
    serve = plan.serve.argv if plan.serve else ()
    made = steps.made(done)
    for name in [*layout.parts(serve), layout.TIMINGS]:
        for path in _below(made[name]) if name in made else ():
            yield path, path.relative_to(made[name].parent).as_posix()
    for file in layout.of_model(plan.source.files, serve):
        yield work.model / file, f"{layout.MODEL_FOLDER}/{file}"
    for place, known in plan.source.beside.items():
        for file in known:
            yield work.beside[place] / file, f"{place}/{file}"


def _below(path: Path) -> list[Path]:
    return [each for each in sorted(path.rglob("*")) if each.is_file()] if path.is_dir() else [path]


def _link(source: Path, target: Path) -> None:
    """The same bytes under another name where the file system can, else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
            raise
        shutil.copyfile(source, target)
