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


SPECS = "engines/specs"
"""Where specs stand below a checkout; one file is called as its engine is served."""
TEXT = "text_generation"


class Probe(Written):
    """Something to ask of a canary.

    Attributes:
        prompt: a prompt; of an embedding a text, of a graph the whole body of a request.
        expected: the answer that a good engine gives or comes close to; empty for kinds whose
            measure is the proven engine's answer.
    """

    prompt: str = Field(min_length=1)
    expected: str = ""


class TextProbe(Probe):
    """A prompt, and the answer that a good engine gives or comes close to."""

    expected: str = Field(min_length=1)


class Request(Written):
    """Something that both engines are asked, so that their answers can be compared."""

    prompt: str = Field(min_length=1)


class TextProbes(RootModel[tuple[TextProbe, ...]]):
    """Everything that a canary of one served name is asked, where it generates text."""


class Requests(RootModel[tuple[Request, ...]]):
    """The same, where it embeds or is a graph."""


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
    written = read_yaml(path) or []
    if _kind(environment, name) == TEXT:
        return parse(TextProbes, written, source=source).root
    found = parse(Requests, written, source=source).root
    return tuple(Probe(prompt=each.prompt) for each in found)


def _kind(environment: Environment, name: str) -> str:
    path = environment.root / SPECS / f"{name}.yaml"
    spec = read_yaml(path) if path.exists() else None
    return str(spec.get("kind", TEXT)) if isinstance(spec, dict) else TEXT
