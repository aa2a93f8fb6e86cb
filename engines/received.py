"""What came back from a build host, against the plan that went there. Before it is signed.

A build host has no key, so all that it says is checked by whoever has one: that the engine is the
one of the plan, from the plan's materials, in the plan's container, on the plan's kind of GPU, and
that no gate is said to be passed whose own figures say otherwise.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engines import catalog, layout, manifest
from engines.manifest import Outcome, Predicate, Statement
from engines.plan import Plan
from engines.planned import PlannedStep
from landfall.errors import IntegrityError


def check(plan: Plan, folder: Path) -> Statement:
    """The manifest of the engine in `folder`, where it is what `plan` asked for.

    Raises:
        IntegrityError: names everything that is not.
    """
    statement = manifest.check(folder)
    about = statement.predicate
    wrong = [*_differing(plan, about), *_host(plan, about), *_gates(plan, about)]
    if plan.container:
        wrong += _files(plan, statement)
    if wrong:
        lines = "".join(f"\n  {each}" for each in wrong)
        raise IntegrityError(
            f"what was built is not what the plan of {plan.engine} asked for:{lines}",
            hint="It is not signed. Look at the build host; then build again.",
        )
    return statement


def _differing(plan: Plan, about: Predicate) -> Iterator[str]:
    parallelism = f"{plan.tensor} x {plan.pipeline}"
    expected: dict[str, tuple[Any, Any]] = {
        name: (getattr(plan, name), getattr(about, name))
        for name in (
            "key", "engine", "kind", "backend", "mode", "container", "precision", "target",
            "classification", "slots", "room", "timing_cache", "parts",
        )
    }  # fmt: skip
    source, materials = plan.source, about.materials
    expected |= {
        "backend_version": (plan.version, about.backend_version),
        "parallelism": (parallelism, f"{about.parallelism.tensor} x {about.parallelism.pipeline}"),
        "materials.model": (source.name, materials.model),
        "materials.version": (source.version, materials.version),
        "materials.training_data": (source.data_digest, materials.training_data),
        "materials.run": (source.run, materials.run),
        "materials.commit": (source.commit, materials.commit),
        "materials.classification": (source.classification, materials.classification),
        "approver": ("", about.approver),
        "serve": (_words(plan.serve), _words(about.serve)),
    }
    for name, (wanted, found) in expected.items():
        if wanted != found and not isinstance(wanted, dict):
            yield f"{name}: {str(found) or 'none'}, the plan says {str(wanted) or 'none'}"
    yield from _dictionaries("parts", plan.parts, about.parts)
    yield from _dictionaries("materials.files", source.files, materials.files)


def _words(step: PlannedStep | None) -> str:
    """What a command does, as one text."""
    if step is None:
        return ""
    return shlex.join(
        [*(f"{name}={value}" for name, value in step.environment.items()), *step.argv]
    )


def _dictionaries(name: str, wanted: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    for each in sorted({*wanted, *found}):
        before, after = wanted.get(each, "none"), found.get(each, "none")
        if before != after:
            yield f"{name}.{each}: {after[:20]}, the plan says {before[:20]}"


def _host(plan: Plan, about: Predicate) -> Iterator[str]:
    gpu = catalog.gpus().get(plan.target)
    if gpu is None:
        return
    mine = [each for each in about.host.devices if each.name == gpu.driver_name]
    if len(mine) < about.parallelism.gpus:
        has = ", ".join(each.name for each in about.host.devices) or "no GPU"
        yield f"host: built on {has}, the plan says {about.parallelism.gpus} {gpu.driver_name}"
    others = {each.compute_capability for each in mine} - {gpu.compute_capability}
    if others:
        yield f"host: compute capability {', '.join(sorted(others))}, not {gpu.compute_capability}"


def _gates(plan: Plan, about: Predicate) -> Iterator[str]:
    names = [each.name for each in about.outcomes]
    wanted = {"quality", "determinism"}
    wanted |= {"latency"} if plan.gates.latency or plan.gates.response else set()
    for name in sorted(wanted - set(names)):
        yield f"gates: {name} is not told of"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"gates: {name} is told of twice"
    for each in about.outcomes:
        if each.outcome == "passed":
            yield from _passed(plan, each)


def _passed(plan: Plan, told: Outcome) -> Iterator[str]:
    """Bounds that a gate is said to keep, and by its own figures does not."""
    gates, bounds = plan.gates, dict[str, float]()
    if told.name == "quality" and gates.quality is not None and "ratio" in told.figures:
        bounds = {"ratio": gates.quality.max_ratio}
    if told.name == "latency" and gates.latency is not None:
        load = gates.latency
        bounds = {"ttft_p95_ms": load.ttft_p95_ms, "tpot_p95_ms": load.tpot_p95_ms}
    if told.name == "latency" and gates.response is not None:
        bounds = {"p95_ms": gates.response.p95_ms}
    for name, bound in bounds.items():
        found = told.figures.get(name)
        if found is None or not found <= bound:
            yield f"gates: {told.name} is passed with {name} {found}, the bound is {bound:g}"


def _files(plan: Plan, statement: Statement) -> Iterator[str]:
    """Of an engine for GPUs the model's own files, and what the plan itself contains."""
    found = {each.name: each.digest["sha256"] for each in statement.subject}
    serve = plan.serve.argv if plan.serve else ()
    wanted = {
        f"{layout.MODEL_FOLDER}/{name}": plan.source.files[name]
        for name in layout.of_model(plan.source.files, serve)
    }
    wanted |= {
        f"{place}/{name}": digest
        for place, known in plan.source.beside.items()
        for name, digest in known.items()
    }
    wanted |= {
        layout.place(path): hashlib.sha256(content.encode()).hexdigest()
        for path, content in plan.files.items()
    }
    for name, digest in sorted(wanted.items()):
        if found.get(name) != digest:
            yield f"{name}: is not that of the plan"
    made = {layout.TIMINGS, *layout.parts(serve)}
    strange = [name for name in found if name.partition("/")[0] not in made and name not in wanted]
    for name in sorted(strange):
        yield f"{name}: is no part of such an engine"
