"""Whether the GPUs that an engine is given on this host are those that it was built for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines import preflight
from engines.facts import Facts
from engines.manifest import Predicate
from landfall.errors import Problem, Refused


def check(about: Predicate, here: Facts, gpus: Sequence[int]) -> None:
    """Let the engine have these GPUs, or refuse with everything that is wrong.

    Raises:
        Refused: names every GPU that is another one or not there.
    """
    found = list(problems(about, here, gpus))
    if found:
        lines = "".join(f"\n  {each}" for each in found)
        raise Refused(
            f"engine {about.engine} {about.key[:12]} cannot have GPU"
            f" {', '.join(map(str, gpus)) or 'none'} of this host:{lines}",
            hint="Compare host.gpus in the inventory with nvidia-smi, and play the site again.",
        )


def problems(about: Predicate, here: Facts, gpus: Sequence[int]) -> Iterator[Problem]:
    """What is wrong with these GPUs, by their number in nvidia-smi."""
    if len(gpus) != about.parallelism.gpus:
        message = f"{len(gpus)} given; the engine needs {about.parallelism.gpus}"
        yield Problem(path="gpus", message=message)
    built_on = about.host.devices[0] if about.host.devices else None
    for index in gpus:
        if index >= len(here.devices):
            has = f"{len(here.devices)} that the driver tells of"
            yield Problem(path=f"gpu {index}", message=f"not there; this host has {has}")
        elif not preflight.same(here.devices[index].name, about.target, built_on):
            wanted = built_on.name if built_on else about.target
            message = f"is {here.devices[index].name}; the engine was built for {wanted}"
            yield Problem(path=f"gpu {index}", message=message)
