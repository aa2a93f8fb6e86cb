"""What of an environment is up, part by part. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from engines.store import Store
from landfall import handoff, http
from landfall.cli.flow import gateway, rack, services
from landfall.errors import LandfallError
from landfall.model import release
from landfall.model import site as sites
from landfall.model.environment import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an environment."""

    name: str
    up: bool
    detail: str


def look(environment: Environment) -> list[Part]:
    """Every part, with one line about it."""
    parts = [_cloud(environment)]
    if environment.rehearsal:
        parts += _services(environment) + _rack(environment)
    return [*parts, *_released(environment), _gateway(environment)]


def _cloud(environment: Environment) -> Part:
    try:
        told = handoff.load(environment.handoff_file)
    except LandfallError:
        return Part(name="cloud", up=False, detail="not brought up: landfall up")
    detail = f"{told.provider} provider, {told.region}, {len(told.tunnels)} tunnels"
    return Part(name="cloud", up=True, detail=detail)


def _services(environment: Environment) -> list[Part]:
    return [
        Part(name=f"service {each.name}", up=each.ready, detail=each.url)
        for each in services.of(environment).status()
    ]


def _rack(environment: Environment) -> list[Part]:
    found = rack.of(environment)
    state = found.status()
    address = {host.name: host.address for host in found.hosts}
    return [
        Part(name=f"host {name}", up=up, detail=f"{address[name]} in namespace {found.namespace}")
        for name, up in state.hosts.items()
    ]


def _released(environment: Environment) -> list[Part]:
    store = Store(environment.store)
    return [
        Part(
            name=f"release {name}",
            up=store.get(share.key) is not None,
            detail=f"engine {share.key[:12]}, {share.share} % of requests",
        )
        for name, found in release.load(environment).items()
        for share in found.engines
    ] or [Part(name="release", up=False, detail="nothing is released yet")]


def _gateway(environment: Environment) -> Part:
    try:
        tenants = sites.load(environment).tenants
        if not tenants:
            return Part(name="gateway", up=False, detail="the site has no tenant to ask as")
        names = http.models(gateway.endpoint(environment, tenants[0].name))
        return Part(
            name="gateway", up=True, detail=f"{gateway.url(environment)} serves {', '.join(names)}"
        )
    except LandfallError as error:
        return Part(name="gateway", up=False, detail=error.message.splitlines()[0])
