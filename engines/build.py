"""Carry out a plan: a model folder becomes an engine folder, measured, with its manifest.

The engine appears whole, by one rename, or not at all. What a killed build left behind is removed
by the next one; of two builds of one engine the second waits and finds it made.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import filelock

from engines import attest, backends, build_contained, facts, manifest, source
from engines.backends import Step
from engines.build_contained import NOTHING, Given, Ready
from engines.gate import Progress, measure
from engines.plan import Plan
from landfall.errors import IntegrityError, Refused

MEASURED = tuple(measure.BY_KIND)
"""Kinds of which a gate for quality measures what a build lost."""


def run(
    plan: Plan,
    model: Path,
    out: Path,
    on_progress: Progress = lambda _: None,
    given: Given = NOTHING,
) -> Path:
    """Build `plan` from the model folder `model` into the folder `out`, and return `out`.

    An engine of the same key that is there already is checked and kept. `given` is what a build in
    a container takes besides.

    Raises:
        IntegrityError: the model's files are not those of the plan; names them.
        Refused: this host is not the one that the plan was made for, or `out` is something else.
        GateFailed: the engine lost more quality than the gates allow.
        CommandFailed: a step in a container failed; the steps before it stay done.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(out.parent / f".{out.name}.lock"):
        for stale in out.parent.glob(f".{out.name}.partial-*"):
            shutil.rmtree(stale)
        for beside in out.parent.glob(f"..{out.name}.partial-*"):  # of a manifest
            beside.unlink()
        if out.exists() and _made(plan, out):
            build_contained.sweep(out)
            on_progress(f"{plan.engine}: already built")
            return out
        contained = backends.find(plan.backend).CONTAINED
        host = build_contained.ready(plan, model, out, given) if contained else _host(plan)
        on_progress(f"{plan.engine}: verifying {plan.source.name} version {plan.source.version}")
        source.verify(model, plan.source)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-", dir=out.parent))
        try:
            if isinstance(host, Ready):
                build_contained.make(plan, partial, host, on_progress)
            else:
                _make(plan, model, partial, host, on_progress)
            partial.chmod(0o755)
            if out.exists():  # damaged: checked above
                shutil.rmtree(out)
            partial.rename(out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        build_contained.sweep(out)
    return out


def _made(plan: Plan, out: Path) -> bool:
    """Whether `out` is this engine, whole. A damaged engine is made again; others are not ours."""
    if not (out / manifest.FILE).exists() and any(out.iterdir()):
        raise Refused(f"{out} is not an engine and not empty", hint="Give another folder.")
    try:
        found = manifest.check(out).predicate.key
    except IntegrityError:
        return False
    if found != plan.key:
        raise Refused(f"{out} holds the engine {found}", hint="Give another folder.")
    return True


def _host(plan: Plan) -> facts.Facts:
    """The facts of this host, where it is one that the plan was made for."""
    host = facts.read()
    if plan.missing:
        raise Refused(
            f"the plan of {plan.engine} is not whole: {'; '.join(plan.missing)}",
            hint="Give what is missing, and plan again.",
        )
    if plan.kind not in MEASURED:
        raise Refused(
            f"{plan.engine} is of kind {plan.kind}, which no gate measures yet",
            hint="A gate that did not run is not passed.",
        )
    backend = backends.find(plan.backend)
    version = host.packages.get(backend.PACKAGE)
    wrong = backend.version_problem(version)
    # The key does not cover the steps: they follow from precision, kind and files alone.
    steps = backend.steps(plan.precision, kind=plan.kind, files=plan.source.files)
    own = [(each.action, dict(each.settings)) for each in steps]
    if [(each.action, each.settings) for each in plan.steps] != own:
        raise Refused(f"the plan of {plan.engine} has other steps than {plan.backend} would do")
    here = {"backend": f"{plan.backend} {version}", "kind": plan.kind, "precision": plan.precision}
    if plan.target == "cpu":
        here["target"] = host.isa_class
    differing = [
        f"{name} is {found}, planned was {plan.parts.get(name)}"
        for name, found in here.items()
        if plan.parts.get(name) != found
    ]
    if wrong or differing:
        raise Refused(
            f"the plan of {plan.engine} is for another host: {'; '.join(differing) or wrong}",
            hint="Plan again with the facts of this host: python -m engines facts --json",
        )
    return host


def _make(plan: Plan, model: Path, folder: Path, host: facts.Facts, on_progress: Progress) -> None:
    backend = backends.find(plan.backend)
    for each in plan.steps:
        step = Step(action=each.action, settings=each.settings)
        on_progress(f"{plan.engine}: {_describe(step)}")
        backend.carry_out(step, model, folder)
    on_progress(f"{plan.engine}: measuring quality and determinism")
    measured = measure.measure(plan, backend, model, folder)
    about = attest.predicate(plan, host, host.packages[backend.PACKAGE])
    found = {
        "quality": measured.quality,
        "speed": measured.speed,
        "gates": measured.outcomes,
    }
    predicate = about.model_copy(update=found)
    manifest.write(folder, predicate)
    if plan.gates.latency is not None or plan.gates.response is not None:
        on_progress(f"{plan.engine}: measuring latency under load")
    if (loaded := measure.under_load(plan, model, folder, backend)) is not None:
        more = {"gates": (*measured.outcomes, loaded)}
        manifest.write(folder, predicate.model_copy(update=more))
    on_progress(f"{plan.engine}: {predicate.summary}")


def _describe(step: Step) -> str:
    words = " ".join(f"{name}={value}" for name, value in step.settings.items())
    return f"{step.action} {words}".strip()
