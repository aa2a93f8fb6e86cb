"""Which request may go where: a pure function of releases and classifications.

Templates only lay out what is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from landfall.errors import InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.release import Release, Share
from landfall.model.site import Site, Tenant

FIRST_PORT, PORTS = 20000, 20000
"""Engines listen on loopback, on a port that follows from their key, so that it never moves."""


SHORT = 12
"""Digits of a key in names on a host: enough to tell engines apart, short enough to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """One engine behind the gateway.

    Attributes:
        key: the engine's key.
        port: its loopback port.
        share: in whole percent.
        withdrawn: of a canary, the file on a host that takes it out; "" for the proven engine.
    """

    key: str
    port: int
    share: int
    withdrawn: str = ""


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


def withdrawn_name(name: str, proven: str, canary: str) -> str:
    """The file by which a host takes a canary out beside this proven engine, and no other."""
    return f"{name}.{proven[:SHORT]}.{canary[:SHORT]}"


def routes(releases: Mapping[str, Release]) -> tuple[Route, ...]:
    """The routes of an environment, by served name. Engines with no share get no traffic."""
    return tuple(
        Route(
            name=name,
            upstreams=tuple(
                Upstream(
                    key=each.key,
                    port=port_of(each.key),
                    share=each.share,
                    withdrawn=_withdrawn(name, releases[name], each),
                )
                for each in releases[name].engines
            ),
        )
        for name in sorted(releases)
    )


def _withdrawn(name: str, release: Release, engine: Share) -> str:
    # A proven engine without a share must not get one because its canary is taken out.
    if engine not in release.canaries or not release.engines[0].share:
        return ""
    return withdrawn_name(name, release.proven, engine.key)


def standby(releases: Mapping[str, Release]) -> tuple[tuple[str, str], ...]:
    """The engines that a rollback would return to, as served name and key; none that answers."""
    return tuple(
        (name, found.previous)
        for name, found in sorted(releases.items())
        if found.previous and found.previous not in {each.key for each in found.engines}
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


def check_classes(
    tenants: Iterable[Tenant],
    releases: Mapping[str, Release],
    classes: Mapping[str, Classification],
    *,
    source: str,
) -> None:
    """Refuse a release by which a tenant reaches an engine of a lower class than its own.

    Every tenant reaches every served name. An engine with no share is reached by nobody.

    Args:
        tenants: who may ask.
        releases: by served name.
        classes: the highest class that each engine may answer, by key; others are not judged.
        source: where the releases are from, for the message.

    Raises:
        InvalidInput: with every engine that is asked too much.
    """
    asking = list(tenants)
    problems = [
        problem
        for name in sorted(releases)
        for index, each in enumerate(releases[name].engines)
        if each.share and each.key in classes
        for problem in _above(asking, each.key, classes[each.key], f"{name}.engines.{index}")
    ]
    if problems:
        raise InvalidInput(source, problems)


def _above(
    tenants: Iterable[Tenant], key: str, limit: Classification, path: str
) -> Iterator[Problem]:
    above = [each for each in tenants if not limit.covers(each.classification)]
    if above:
        needed = max((each.classification for each in above), key=lambda each: each.rank)
        who = ", ".join(f"{each.name} ({each.classification})" for each in above)
        yield Problem(
            path=path,
            message=f"the engine {key[:12]} may answer up to {limit}, but these tenants would "
            f"reach it: {who}. Release an engine that was built with `classification: {needed}` "
            "in its spec, or give these tenants a lower class in site.tenants",
        )
