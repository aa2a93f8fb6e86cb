"""The canaries of an environment, as the host's judge is told of them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, RootModel

from landfall.model.environment import Environment
from landfall.model.parsing import Written, parse, read_yaml
from landfall.model.release import Release
from landfall.model.routing import port_of, withdrawn_name

PROBES = "engines/probes"
"""Where probes stand below a checkout, one file for each served name."""


class Probe(Written):
    """A prompt, and the answer that a good engine gives or comes close to."""

    prompt: str = Field(min_length=1)
    expected: str = Field(min_length=1)


class Probes(RootModel[tuple[Probe, ...]]):
    """Everything that a canary of one served name is asked."""


def trials(environment: Environment, released: Mapping[str, Release]) -> list[dict[str, object]]:
    """Every canary with a share, beside the proven engine, with the probes of its served name.

    Raises:
        InvalidInput: a file of probes is wrong; with every problem of it.
    """
    return [
        {
            "name": name,
            "proven": {"key": release.proven, "port": port_of(release.proven)},
            "canary": {"key": canary.key, "port": port_of(canary.key)},
            "mark": withdrawn_name(name, release.proven, canary.key),
            "share": canary.share,
            "probes": [each.model_dump() for each in probes(environment, name)],
        }
        for name, release in sorted(released.items())
        for canary in release.canaries
        if release.engines[0].share
    ]


def probes(environment: Environment, name: str) -> tuple[Probe, ...]:
    """What a canary of `name` is asked; nothing where nobody wrote it down.

    Raises:
        InvalidInput: the file is wrong; with every problem.
    """
    path = environment.root / PROBES / f"{name}.yaml"
    if not path.exists():
        return ()
    source = str(path.relative_to(environment.root))
    return parse(Probes, read_yaml(path) or [], source=source).root
