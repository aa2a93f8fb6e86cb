"""Whether this host can carry out a plan for GPUs: what is there against what the build takes.

Free memory counts here, other than in an engine's facts: a host that was drained may still have
engines in the memory of its GPUs.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from engines import catalog, facts, nvidia, podman
from engines.facts import Facts
from engines.fit import gib
from engines.plan import Plan
from landfall import files
from landfall.errors import Problem, Refused

MIB, GIB = 2**20, 2**30

FREE = (nvidia.SMI, "--query-gpu=memory.free", "--format=csv,noheader,nounits")
"""MiB of each GPU, in the order of nvidia-smi."""

CDI = "nvidia.com/gpu"

UNKNOWN_OUTPUT = ("huggingface_example.sh",)
"""Tools of which was not established where they write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a host has for a build.

    Attributes:
        here: its facts.
        free_mib: of each GPU; None where the driver does not tell.
        disk: bytes that are free where the build works, with those that its done steps take.
        image: whether the plan's container is here, by its digest.
    """

    here: Facts
    free_mib: tuple[int | None, ...]
    disk: int
    image: bool


def read(plan: Plan, folder: Path, registry: str) -> Bench:
    """This host, for a build whose steps are kept in `folder`, which may not be there yet."""
    here = facts.read()
    told = nvidia.ask(FREE).split() if here.gpus else []
    found = tuple(int(each) if each.isdigit() else None for each in told)
    return Bench(
        here=here,
        free_mib=found if len(found) == len(here.devices) else (None,) * len(here.devices),
        disk=shutil.disk_usage(folder.parent).free + files.size(folder),
        image=bool(here.container and registry and plan.container)
        and podman.present(plan.container, registry),
    )


def check(plan: Plan, bench: Bench) -> tuple[str, ...]:
    """The GPUs that a build may take, by their CDI names.

    Raises:
        Refused: names everything that keeps the plan from being carried out here.
    """
    found = [*_plan(plan), *_container(plan, bench), *_room(plan, bench), *_gpus(plan, bench)]
    if found:
        lines = "".join(f"\n  {each}" for each in found)
        raise Refused(
            f"{plan.engine} cannot be built on this host:{lines}",
            hint=plan.place.rule if plan.place else "",
        )
    chosen = _fitting(plan, bench)[: _wanted(plan)]
    return tuple(f"{CDI}={index}" for index in chosen)


def _plan(plan: Plan) -> Iterator[Problem]:
    for each in plan.missing:
        yield Problem(path="plan", message=f"is not whole: {each}")
    for step in plan.steps:
        if step.action in UNKNOWN_OUTPUT:
            message = "where it writes was not established; bring the quantised checkpoint"
            yield Problem(path=f"plan: {step.action}", message=message)


def _container(plan: Plan, bench: Bench) -> Iterator[Problem]:
    if not bench.here.container.startswith("podman"):
        message = f"podman is needed, not {bench.here.container or 'nothing'}; {podman.HINT}"
        yield Problem(path="container", message=message)
    elif plan.container and not bench.image:
        message = f"{plan.container} is not here; pull it from the site's registry"
        yield Problem(path="container", message=message)


def _room(plan: Plan, bench: Bench) -> Iterator[Problem]:
    needs = _needs(plan)
    memory = needs.get("memory of the host", 0)
    # whole GiB are told, rounded down, so a host has up to one more
    if (bench.here.memory_gib + 1) * GIB <= memory:
        message = f"the build takes {gib(memory)} at least; this host has {bench.here.memory_gib}"
        yield Problem(path="memory", message=f"{message} GiB")
    here = plan.source.weight_bytes + plan.source.beside_bytes  # they are here already
    disk = needs.get("disk", 0) - here
    if bench.disk < disk:
        message = f"the build takes {gib(disk)} more at least; {gib(bench.disk)} are free"
        yield Problem(path="disk", message=message)


def _gpus(plan: Plan, bench: Bench) -> Iterator[Problem]:
    here, gpu = bench.here, catalog.gpus()[plan.target]
    mine = [each for each in here.devices if each.name == gpu.driver_name]
    if not mine:
        message = f"the plan is for {gpu.driver_name}; this host has {_listed(here) or 'none'}"
        yield Problem(path="gpu", message=message)
        return
    if len(mine) < _wanted(plan):
        message = f"the plan takes {_wanted(plan)} {gpu.driver_name}; this host has {len(mine)}"
        yield Problem(path="gpu", message=message)
    wrong = {each.compute_capability for each in mine} - {gpu.compute_capability}
    if wrong:
        has = ", ".join(sorted(each or "one that it does not tell" for each in wrong))
        message = f"{plan.target} has {gpu.compute_capability}; this GPU has {has}"
        yield Problem(path="compute capability", message=message)
    if not here.driver:
        yield Problem(path="driver", message="does not tell its version: is it loaded?")
    if len(mine) >= _wanted(plan) > len(_fitting(plan, bench)):
        free = ", ".join("unknown" if each is None else f"{each} MiB" for each in bench.free_mib)
        needed = gib(max(_needs(plan).get("memory of one GPU", 0), _served(plan)))
        message = (
            f"the build takes {needed} of each of {_wanted(plan)}; free are {free}. Engines of a "
            "drained host keep theirs: systemctl stop 'landfall-engine-*' 'landfall-container-*'"
        )
        yield Problem(path="gpu memory", message=message)


def _fitting(plan: Plan, bench: Bench) -> list[int]:
    """GPUs of the right model with enough memory free, by their index."""
    name, needed = catalog.gpus()[plan.target].driver_name, _needs(plan)
    least = max(needed.get("memory of one GPU", 0), _served(plan))
    return [
        index
        for index, (device, free) in enumerate(zip(bench.here.devices, bench.free_mib, strict=True))
        if device.name == name and free is not None and free * MIB >= least
    ]


def _served(plan: Plan) -> int:
    """Of one GPU, while the engine is measured: all but the cache, which takes what is left."""
    return sum(item.size for item in plan.fit.items) if plan.fit else 0


def _wanted(plan: Plan) -> int:
    return plan.tensor * plan.pipeline


def _needs(plan: Plan) -> Mapping[str, int]:
    return {each.name: each.size or 0 for each in plan.needs}


def _listed(here: Facts) -> str:
    return ", ".join(each.name for each in here.devices) or ", ".join(here.gpus)
