"""Which engines answer for a served name, with which share of the traffic."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import Field, RootModel, field_validator

from landfall.model.environment import Environment
from landfall.model.gpu import full_name
from landfall.model.parsing import Written, parse, read_yaml

WHOLE = 100
"""Shares are whole percent and sum to this."""

Key = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Share(Written):
    """One engine and its part of the traffic, in whole percent."""

    key: Key
    share: Annotated[int, Field(ge=0, le=WHOLE)]


class Release(Written):
    """What answers for one served name, and what would after a rollback.

    The engine listed first is the proven one; another with a share is its canary.
    """

    engines: Annotated[tuple[Share, ...], Field(min_length=1)]
    previous: Key | None = None

    @property
    def proven(self) -> str:
        """The key of the engine that is proven."""
        return self.engines[0].key

    @property
    def canaries(self) -> tuple[Share, ...]:
        """The engines that are tried on a share of the traffic."""
        return tuple(each for each in self.engines[1:] if each.share)

    @field_validator("engines")
    @classmethod
    def _sum(cls, engines: tuple[Share, ...]) -> tuple[Share, ...]:
        total = sum(engine.share for engine in engines)
        if total != WHOLE:
            raise ValueError(f"the shares sum to {total}; they must sum to {WHOLE}")
        if len({engine.key for engine in engines}) < len(engines):
            raise ValueError("an engine is listed twice")
        return engines


NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}(@[A-Za-z0-9][A-Za-z0-9 .-]{0,60})?")


class Releases(RootModel[Mapping[str, Release]]):
    """Every served name of an environment; `NAME@GPU` for the hosts with GPUs of one model."""

    @field_validator("root")
    @classmethod
    def _names(cls, root: Mapping[str, Release]) -> Mapping[str, Release]:
        wrong = [name for name in root if NAME.fullmatch(name) is None]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: must be NAME, or NAME@GPU as in chat@L40S")
        return root


def served(name: str) -> str:
    """The served name of a release: what clients ask for."""
    return name.partition("@")[0]


def model_of(name: str) -> str:
    """The GPU whose hosts a release is for, as nvidia-smi writes it; "" for all other hosts."""
    _, sign, model = name.partition("@")
    return full_name(model) if sign else ""


def on_host(releases: Mapping[str, Release], models: Collection[str]) -> dict[str, Release]:
    """What a host answers for, by served name: a release for its own GPUs, else the one for all.

    Args:
        releases: of an environment, as its file has them.
        models: of the host's GPUs, as nvidia-smi writes them.
    """
    found = {name: each for name, each in releases.items() if not model_of(name)}
    own = {served(name): each for name, each in releases.items() if model_of(name) in models}
    return {**found, **own}


def shares(releases: Mapping[str, Release], name: str) -> tuple[Share, ...]:
    """The engines that answer for a served name, on hosts of any kind."""
    return tuple(
        share
        for each, found in sorted(releases.items())
        if served(each) == name
        for share in found.engines
    )


def load(environment: Environment) -> dict[str, Release]:
    """The releases of an environment, by served name; none where nothing is released yet.

    A rehearsal trains its model on each machine, so the keys of its engines cannot be committed:
    what it releases stands beside its other leavings and wins over the committed file.

    Raises:
        InvalidInput: with every problem of a file.
    """
    return {**_read(environment, environment.release_file), **_local(environment)}


def written(environment: Environment) -> tuple[Path, dict[str, Release]]:
    """The file that a move of a release changes, and what it says now.

    Raises:
        InvalidInput: with every problem of the file.
    """
    if environment.rehearsal:
        return environment.local_release_file, _local(environment)
    return environment.release_file, _read(environment, environment.release_file)


def text(releases: Mapping[str, Release]) -> str:
    """Releases as they stand in a file."""
    value = {
        name: releases[name].model_dump(mode="json", exclude_none=True) for name in sorted(releases)
    }
    return yaml.safe_dump(value, sort_keys=False)


def _local(environment: Environment) -> dict[str, Release]:
    return _read(environment, environment.local_release_file) if environment.rehearsal else {}


def _read(environment: Environment, path: Path) -> dict[str, Release]:
    if not path.exists():
        return {}
    source = str(path.relative_to(environment.root))
    return dict(parse(Releases, read_yaml(path) or {}, source=source).root)
