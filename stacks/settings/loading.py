"""Configuration and the site's description, read and checked together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import NamedTuple

import pulumi
from pulumi.runtime import config as engine_config
from pydantic import ValidationError

from landfall.errors import InvalidInput, Problem
from landfall.model import site as sites
from landfall.model.environment import Environment
from landfall.model.parsing import problems_of, read_yaml
from landfall.model.site import Site
from stacks.settings import authority, price
from stacks.settings.whole import Settings, problems

NAMESPACE = "landfall"

Written = Mapping[str, object]
"""Keys without the namespace, with plain data."""


class Inputs(NamedTuple):
    """All that the program reads: its own configuration and the site's description."""

    settings: Settings
    site: Site


Further = Callable[[Settings], Iterable[Problem]]
"""A check of the settings that another module knows."""


def load(environment: Environment, written: Written | None = None, *further: Further) -> Inputs:
    """Read and check everything before a resource is declared.

    Args:
        environment: whose site is read.
        written: the configuration; the engine's where not given.
        further: checks besides those of this package.

    Raises:
        InvalidInput: with every problem of configuration and site together.
    """
    written = engine_configuration() if written is None else written
    found: list[Problem] = []
    site = _site(environment, found)
    settings = _settings(written, found)
    if settings:
        found += [_named(each) for each in problems(settings, environment.name)]
        found += [_named(each) for each in price.below(settings, site)] if site else []
        if hosts := settings.identity.site_hosts:
            found += [_named(each) for each in authority.problems(environment.root, hosts)]
        found += [each for check in further for each in check(settings)]
    network = settings.network.cidr if settings else _network(written)
    if site and network:
        found += _overlaps(network, site)
    if found or not site or not settings:
        raise InvalidInput(f"Pulumi.{environment.name}.yaml and its site", found)
    return Inputs(settings=settings, site=site)


def check_file(environment: Environment, *further: Further) -> Inputs:
    """The same, from the stack's file: what is wrong is told before an engine starts.

    Raises:
        InvalidInput: with every problem of configuration and site together.
    """
    return load(environment, file_configuration(environment), *further)


def engine_configuration() -> Written:
    """The configuration of the current stack, as the engine hands it to the program."""
    held = {**engine_config.get_config_env(), **engine_config.CONFIG.get()}
    keys = [name.partition(":")[2] for name in held if name.startswith(f"{NAMESPACE}:")]
    config = pulumi.Config(NAMESPACE)
    values = {key: _plain(config.get(key)) for key in keys}
    # Pulumi.yaml gives what a stack does not say a default of its kind that says nothing.
    return {key: value for key, value in values.items() if value not in ("", {}, [])}


def file_configuration(environment: Environment) -> Written:
    """The configuration in the stack's file."""
    path = environment.root / f"Pulumi.{environment.name}.yaml"
    written = read_yaml(path)
    held = (written or {}).get("config") or {}
    start = f"{NAMESPACE}:"
    return {key.removeprefix(start): value for key, value in held.items() if key.startswith(start)}


def kubernetes_of(environment: Environment) -> str:
    """The release of Kubernetes in the stack's file; "" where there is no cluster.

    It is read as it stands: whether it is a release is for `load` to say.
    """
    found: object = file_configuration(environment)
    for key in ("training", "eks", "version"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found or "")


def _plain(text: object) -> object:
    """A value of the engine as a file would have it: objects and lists arrive as JSON."""
    if isinstance(text, str) and text[:1] in ("{", "["):
        return json.loads(text)
    return text


def _site(environment: Environment, found: list[Problem]) -> Site | None:
    try:
        return sites.load(environment)
    except InvalidInput as error:
        found += [
            Problem(path=f"{error.source} {p.path}", message=p.message) for p in error.problems
        ]
        return None


def _settings(written: Written, found: list[Problem]) -> Settings | None:
    try:
        return Settings.model_validate(dict(written))
    except ValidationError as error:
        found += [_named(each) for each in problems_of(error, Settings)]
        return None


def _named(problem: Problem) -> Problem:
    return Problem(path=f"{NAMESPACE}:{problem.path}", message=problem.message)


def _network(written: Written) -> IPv4Network | None:
    """A network where there is one: its overlap is told even where other settings are wrong."""
    part = written.get("network")
    try:
        return IPv4Network(str(part.get("cidr"))) if isinstance(part, Mapping) else None
    except ValueError:
        return None


def _overlaps(vpc: IPv4Network, site: Site) -> Iterator[Problem]:
    for path, network in site.address_ranges():
        if vpc.overlaps(network):
            message = f"{vpc} overlaps {network} of {path}; the link could not route"
            yield Problem(path=f"{NAMESPACE}:network.cidr", message=message)
