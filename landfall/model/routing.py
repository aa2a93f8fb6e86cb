"""Which request may go where: a pure function of releases and classifications.

Templates only lay out what is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from landfall.model.classification import Classification
from landfall.model.release import Release
from landfall.model.site import Site

FIRST_PORT, PORTS = 20000, 20000
"""Engines listen on loopback, on a port that follows from their key, so that it never moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One engine behind the gateway. `share` is in whole percent."""

    key: str
    port: int
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The engines that answer for one served name."""

    name: str
    upstreams: tuple[Upstream, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where the requests of one class may go. `overflow` is "" where they must stay."""

    classification: Classification
    overflow: str


def port_of(key: str) -> int:
    """The loopback port of the engine `key`: stable, and different for nearly all pairs."""
    return FIRST_PORT + int(key[:8], 16) % PORTS


def routes(releases: Mapping[str, Release]) -> tuple[Route, ...]:
    """The routes of an environment, by served name. Engines with no share get no traffic."""
    return tuple(
        Route(
            name=name,
            upstreams=tuple(
                Upstream(key=each.key, port=port_of(each.key), share=each.share)
                for each in releases[name].engines
            ),
        )
        for name in sorted(releases)
    )


def destinations(site: Site) -> tuple[Destinations, ...]:
    """For every class, where its requests may go: the default is the site and nothing else."""
    return tuple(
        Destinations(
            classification=each,
            overflow=site.overflow.address
            if site.overflow and each in site.overflow.classifications
            else "",
        )
        for each in Classification
    )
