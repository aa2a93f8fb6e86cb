"""Where an engine is built, what the host is given, and what is done with what comes back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines import build, layout, manifest
from engines.build_contained import Given
from engines.plan import Plan
from engines.store import Store
from landfall.cli.flow import targets
from landfall.errors import IntegrityError, Refused
from landfall.model import site
from landfall.model.environment import Environment

Progress = Callable[[str], None]

DEDICATED, SERVING = "build_hosts", "gpu_hosts"
"""Groups of the inventory: hosts that build, and hosts that serve. One in both must be drained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Where to build: on a host (the one of this name, where one is given), or in this process."""

    on_host: bool = True
    host: str = ""


def work(environment: Environment, key: str) -> Path:
    """Where an engine is built, and waits for its signature."""
    return environment.work / "builds" / key


def run(
    environment: Environment,
    plan: Plan,
    model: Path,
    work: Path,
    asked: Asked,
    on_progress: Progress,
    beside: Mapping[str, Path] | None = None,
) -> Path:
    """Build into `work`; the engine's folder there. It is not checked yet.

    `beside` has the folders of the draft model and the adapters, by their places in the engine.

    Raises:
        Refused: no host of the site can build it, or this one cannot.
        CommandFailed: a step failed.
        GateFailed: a gate was missed.
    """
    _check_whole(environment, plan)
    out = work / "engine"
    given = Given(
        registry=_registry(environment),
        timings=_timings(environment, plan),
        beside=beside or {},
    )
    if not asked.on_host:
        return build.run(plan, model, out, on_progress, given)
    from landfall import playbook  # slow to import, and not needed by who builds here

    host = host_of(environment, plan, asked.host)
    shutil.rmtree(out, ignore_errors=True)  # what an earlier run brought back, and was refused
    plan_file = work / "plan.json"
    plan_file.write_text(plan.to_json())
    playbook.run(
        environment,
        "build.yml",
        variables=variables(plan, plan_file, model, out, given, host),
        on_task=on_progress,
    )
    return out


def variables(
    plan: Plan, plan_file: Path, model: Path, out: Path, given: Given, host: str
) -> dict[str, object]:
    """What the playbook is told: files, places and the image. No key of anybody's is among it."""
    return {
        "build_key": plan.key,
        "build_plan": str(plan_file),
        "build_source": str(model),
        "build_out": str(out),
        "build_image": plan.container,
        "build_registry": given.registry if plan.container else "",
        "build_timings": str(given.timings or ""),
        "build_beside": [
            {"place": place, "folder": str(folder)} for place, folder in given.beside.items()
        ],
        **({"build_host": host} if host else {}),
    }


def host_of(environment: Environment, plan: Plan, wanted: str = "") -> str:
    """The host that builds a plan for GPUs; "" where any of the build hosts can, as for a CPU.

    One that is dedicated to builds comes first. One that serves, too, must be drained; that is seen
    on the host itself.

    Raises:
        Refused: there is none, or `wanted` is none; says what would be right.
    """
    if plan.place is None:
        return wanted
    able = plan.place.hosts
    if wanted:
        if wanted not in able:
            raise Refused(
                f"{wanted} cannot build {plan.engine}: it takes {plan.place.rule}",
                hint=f"Give --host with one of {', '.join(able)}."
                if able
                else "The site has none.",
            )
        return wanted
    groups = {each.name: each.groups for each in targets.servers(environment)}
    builders = [name for name in able if DEDICATED in groups.get(name, ())]
    dedicated = [name for name in builders if SERVING not in groups[name]]
    if found := [*dedicated, *builders]:
        return found[0]
    raise Refused(
        f"no host in {DEDICATED} can build {plan.engine}: it takes {plan.place.rule}",
        hint=f"Drain one of {', '.join(able)} and give it as --host, or put one into {DEDICATED}."
        if able
        else "The site has no such host.",
    )


def _check_whole(environment: Environment, plan: Plan) -> None:
    """See that there is everything that a host will be given."""
    missing = list(plan.missing)
    if plan.container and not _registry(environment):
        missing.append("site.services.registry: the mirror that the image is pulled from")
    if missing:
        raise Refused(
            f"{plan.engine} cannot be built yet; missing: {'; '.join(missing)}",
            hint="Give what is missing, in the spec or in the site's description, and plan again.",
        )


def _registry(environment: Environment) -> str:
    return site.load(environment).services.registry or ""


def _timings(environment: Environment, plan: Plan) -> Path | None:
    """The timings that a plan is pinned to, out of an engine of the store that kept them."""
    if not plan.timing_cache:
        return None
    for entry in Store(environment.store).entries():
        try:
            subjects = manifest.read(entry.engine).subject
        except IntegrityError:
            continue
        digests = {each.name: each.digest["sha256"] for each in subjects}
        if digests.get(layout.TIMINGS) == plan.timing_cache:
            return entry.engine / layout.TIMINGS
    raise Refused(
        f"{plan.engine} is pinned to the timings {plan.timing_cache[:12]}, and no engine of the "
        f"store has them as {layout.TIMINGS}",
        hint="Leave timing_cache out of the spec to measure anew; the build keeps its timings.",
    )
