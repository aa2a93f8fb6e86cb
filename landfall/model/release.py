"""Which engines answer for a served name, with which share of the traffic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, RootModel, field_validator

from landfall.model.environment import Environment
from landfall.model.parsing import Written, parse, read_yaml

WHOLE = 100
"""Shares are whole percent and sum to this."""

Key = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Share(Written):
    """One engine and its part of the traffic, in whole percent."""

    key: Key
    share: Annotated[int, Field(ge=0, le=WHOLE)]


class Release(Written):
    """What answers for one served name, and what would after a rollback."""

    engines: Annotated[tuple[Share, ...], Field(min_length=1)]
    previous: Key | None = None

    @field_validator("engines")
    @classmethod
    def _sum(cls, engines: tuple[Share, ...]) -> tuple[Share, ...]:
        total = sum(engine.share for engine in engines)
        if total != WHOLE:
            raise ValueError(f"the shares sum to {total}; they must sum to {WHOLE}")
        if len({engine.key for engine in engines}) < len(engines):
            raise ValueError("an engine is listed twice")
        return engines


class Releases(RootModel[Mapping[str, Release]]):
    """Every served name of an environment."""


def load(environment: Environment) -> dict[str, Release]:
    """The releases of an environment, by served name; none where nothing is released yet.

    A rehearsal trains its model on each machine, so the keys of its engines cannot be committed:
    what it releases stands beside its other leavings and wins over the committed file.

    Raises:
        InvalidInput: with every problem of a file.
    """
    found: dict[str, Release] = {}
    local = [environment.local_release_file] if environment.rehearsal else []
    for path in (environment.release_file, *local):
        if path.exists():
            source = str(path.relative_to(environment.root))
            found |= parse(Releases, read_yaml(path) or {}, source=source).root
    return found
