"""Whether this host can run an engine: its manifest against the host's facts, before it is loaded.

What the host does not tell is a problem, too, where the engine depends on it. What the manifest
itself does not know (a driver, say, in version 1) is not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engines import backends
from engines.facts import Facts
from engines.manifest import Predicate
from engines.nvidia import Device
from landfall.errors import Problem, Refused

CPU = "cpu"
MIB, GIB = 2**20, 2**30


def problems(about: Predicate, here: Facts, *, size: int = 0) -> tuple[Problem, ...]:
    """Everything about a host that keeps it from running an engine. `size`: its files, in bytes."""
    found = [*_software(about, here)]
    found += _processor(about, here) if about.target == CPU else _gpus(about, here, size)
    if here.memory_gib and size > here.memory_gib * GIB:
        message = f"the engine has {size / GIB:.1f} GiB, this host {here.memory_gib} GiB of memory"
        found.append(Problem(path="memory", message=message))
    return tuple(found)


def check(about: Predicate, here: Facts, *, size: int = 0) -> None:
    """Let an engine be loaded here, or refuse it with everything that is wrong.

    Raises:
        Refused: names every mismatch.
    """
    found = problems(about, here, size=size)
    if found:
        lines = "".join(f"\n  {each}" for each in found)
        raise Refused(
            f"engine {about.engine} {about.key[:12]} cannot run on this host:{lines}",
            hint="Build it for this host, or give it to one that it was built for.",
        )


def _software(about: Predicate, here: Facts) -> Iterator[Problem]:
    if about.container:
        if "@sha256:" not in about.container:
            message = f"{about.container} is not named by digest, so nobody knows what it is"
            yield Problem(path="container", message=message)
        if not here.container:
            yield Problem(path="container", message="nothing here runs containers")
        return
    package = (
        backends.find(about.backend).PACKAGE if about.backend in backends.names() else about.backend
    )
    found = here.packages.get(package, "")
    if found != about.backend_version:
        message = f"built with {package} {about.backend_version}; this host has {found or 'none'}"
        yield Problem(path="backend", message=message)


def _processor(about: Predicate, here: Facts) -> Iterator[Problem]:
    machine, *instructions = about.parts.get("target", about.host.isa_class).split("+")
    if machine != here.machine:
        message = f"built for {machine}; this host is {here.machine}"
        yield Problem(path="machine", message=message)
    missing = [each for each in instructions if each not in here.isa]
    if missing:
        yield Problem(path="instructions", message=f"this processor lacks {', '.join(missing)}")


def _gpus(about: Predicate, here: Facts, size: int) -> Iterator[Problem]:
    built_on = about.host.devices[0] if about.host.devices else None
    fitting = [name for name in here.gpus if same(name, about.target, built_on)]
    count = about.parallelism.gpus
    if not fitting:
        message = f"built for {about.target}; this host has {', '.join(here.gpus) or 'none'}"
        yield Problem(path="gpu", message=message)
        return
    if len(fitting) < count:
        message = f"needs {count} of {about.target}; this host has {len(fitting)}"
        yield Problem(path="gpu", message=message)
    devices = [each for each in here.devices if same(each.name, about.target, built_on)]
    if built_on is not None:
        yield from _device(built_on, devices[0] if devices else Device(name=fitting[0]))
    memory = min((each.memory_mib for each in devices if each.memory_mib), default=0)
    if memory and size / count > memory * MIB:
        message = f"{size / count / MIB:.0f} MiB come to each GPU, which has {memory} MiB"
        yield Problem(path="gpu memory", message=message)
    yield from _at_least("driver", about.host.driver, here.driver)
    yield from _at_least("cuda", about.host.cuda, here.cuda)


def _device(built_on: Device, found: Device) -> Iterator[Problem]:
    wanted = built_on.compute_capability
    if wanted and found.compute_capability != wanted:
        has = found.compute_capability or "one that it does not tell"
        yield Problem(path="compute capability", message=f"built for {wanted}; this GPU has {has}")
    if built_on.memory_mib and (found.memory_mib or 0) < built_on.memory_mib:
        has = f"{found.memory_mib} MiB" if found.memory_mib else "an amount that it does not tell"
        message = f"measured with {built_on.memory_mib} MiB; this GPU has {has}"
        yield Problem(path="gpu memory", message=message)


def same(name: str, target: str, built_on: Device | None) -> bool:
    """Whether a GPU is of the model that an engine is for, by the names that drivers give."""
    return name == built_on.name if built_on else name in (target, f"NVIDIA {target}")


def _at_least(what: str, wanted: str, found: str) -> Iterator[Problem]:
    """Newer drivers serve what older ones served, and CUDA alike; the other way round they fail."""
    if wanted and not found:
        message = f"measured with {wanted}; this host does not tell its own"
        yield Problem(path=what, message=message)
    elif wanted and _version(found) < _version(wanted):
        yield Problem(path=what, message=f"measured with {wanted}; this host has {found}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text))
