"""What roles need to know, computed from the files of an environment.

The values are the same whether a playbook is run by hand or by the command.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt

from landfall.errors import InvalidInput, Problem
from landfall.model import contained, fleet
from landfall.model import release as releases
from landfall.model import site as sites
from landfall.model.classification import Classification
from landfall.model.environment import Environment
from landfall.model.gpu import full_name
from landfall.model.host import Host
from landfall.model.parsing import parse, read_yaml
from landfall.model.release import Release, Share
from landfall.model.routing import check_classes, destinations, port_of, routes, standby
from landfall.model.trial import SPECS, trials

ENGINE, SIGNATURE, PUBLIC_KEY = "engine", "engine.sig", "signing.pub"
MANIFEST = "manifest.json"
"""Where an engine, its signature and the key that checks it stand below store and keys."""


class Limits(BaseModel):
    """What of a spec's `limits` steers serving only; the rest is part of the engine.

    Attributes:
        max_queue: requests that may wait.
        max_new_tokens: the longest answer, in tokens; None for what the engine's sequence leaves.
    """

    model_config = ConfigDict(frozen=True)

    max_queue: PositiveInt = 64
    max_new_tokens: PositiveInt | None = None


class Built(BaseModel):
    """What of an engine's manifest matters here.

    Attributes:
        slots: requests answered at a time.
        container: the image that serves it, by digest; empty where Landfall's own server does.
        serve: what runs in it; None in manifests that do not say.
    """

    model_config = ConfigDict(frozen=True)

    classification: Classification
    slots: PositiveInt
    container: str = ""
    target: str = ""
    parallelism: contained.Parallelism = contained.Parallelism()
    serve: contained.Command | None = None
    host: contained.Builder = contained.Builder()


def compute(environment: Environment) -> dict[str, object]:
    """Variables for every host of an environment, all named `landfall_…`.

    Raises:
        InvalidInput: the site, a release file, a spec's limits or a manifest is wrong.
    """
    site = sites.load(environment)
    released = releases.load(environment)
    return {
        "landfall_environment": environment.name,
        "landfall_root": str(environment.root),
        "landfall_site": site.model_dump(mode="json", by_alias=True),
        **_of_fleet(fleet.load(environment)),
        "landfall_tenants": [each.model_dump(mode="json") for each in site.tenants],
        **_traffic(environment, releases.on_host(released, ())),
        # Whoever keeps engines, such as a backup, keeps those of every host.
        **_engines(environment, released),
        "landfall_overflow": _overflow(site),
        "landfall_refused": _refused(environment),
        "landfall_public_key": str(environment.keys / PUBLIC_KEY),
        "landfall_handoff": _read(environment.handoff_file),
        "landfall_wheelhouse": _read(environment.wheelhouse_file),
        "landfall_secrets": _secrets(environment),
    }


def _answering(environment: Environment, released: Mapping[str, Release]) -> dict[str, object]:
    """What a host needs to answer for these served names."""
    return {**_traffic(environment, released), **_engines(environment, released)}


def _traffic(environment: Environment, released: Mapping[str, Release]) -> dict[str, object]:
    return {
        "landfall_routes": [asdict(route) for route in routes(released)],
        "landfall_trials": trials(environment, released),
    }


def _engines(environment: Environment, released: Mapping[str, Release]) -> dict[str, object]:
    limits = _limits(environment)
    return {
        "landfall_engines": [
            _engine(environment, name, share, limits)
            for name in sorted(released)
            for share in released[name].engines
        ],
        "landfall_standby": [
            _engine(environment, name, Share(key=key, share=0), limits)
            for name, key in standby(released)
            if _built(environment, key)  # a way back that is not in this store holds nobody up
        ],
    }


MANAGEMENT, STORAGE = "management", "storage"
"""Networks that have a task of their own: hosts show their numbers in the first, and measure the
way to one another in the second."""


def _of_fleet(hosts: Mapping[str, Host]) -> dict[str, object]:
    """What roles know of all hosts: addresses, what Prometheus reads, ends of measurements."""
    watched = {name: _address(host, MANAGEMENT) for name, host in hosts.items()}
    return {
        "landfall_addresses": [
            str(each.address) for host in hosts.values() for each in host.addresses
        ],
        "landfall_targets": [
            {"job": job, "host": name, "address": f"{address}:{port}"}
            for name, address in watched.items()
            for job, port in (("node", 9100), ("gpu", 9400))
            if address and (job == "node" or hosts[name].gpus)
        ],
        "landfall_storage_ends": {
            name: {"address": address, "speed_gbps": speed}
            for name, host in hosts.items()
            if (address := _address(host, STORAGE)) and (speed := _speed(host, STORAGE))
        },
    }


def _address(host: Host, network: str) -> str:
    """The host's address in a network; "" where it has none."""
    return next((str(each.address) for each in host.addresses if each.network == network), "")


def _speed(host: Host, network: str) -> int | None:
    """Gbit/s of the port that carries a network, of one port where it is a bond."""
    carriers = [each.interface for each in host.addresses if each.network == network]
    members = {bond.name: bond.members[0] for bond in host.bonds}
    speeds = {nic.name: nic.speed_gbps for nic in host.nics}
    return next((speeds.get(members.get(each, each)) for each in carriers), None)


def of_hosts(environment: Environment) -> dict[str, dict[str, object]]:
    """Variables of each host.

    `landfall_host` is what its file says, with what it leaves out filled in; `landfall_tunnels`
    are the far ends of the tunnels that end at it. Where releases differ by GPU, also what this
    host answers for.

    Raises:
        InvalidInput: hosts disagree with their site, with one another or with another site.
    """
    edges = {edge.name: edge.host for edge in sites.load(environment).edges}
    tunnels: Any = _read(environment.handoff_file).get("tunnels", [])
    released = releases.load(environment)
    differ = any(map(releases.model_of, released))
    return {
        name: {
            "landfall_host": host.model_dump(mode="json", by_alias=True),
            "landfall_management": _address(host, MANAGEMENT) or "127.0.0.1",
            "landfall_tunnels": [
                {"outside": each["cloud_address"], "inside": each["cloud_inside"]}
                for each in tunnels
                if edges.get(each["edge"]) == name
            ],
            **(_answering(environment, releases.on_host(released, _gpus(host))) if differ else {}),
        }
        for name, host in fleet.load(environment).items()
    }


def _gpus(host: Host) -> set[str]:
    return {full_name(each.model) for each in host.gpus}


def check(environment: Environment, released: Mapping[str, Release] | None = None) -> None:
    """Compare the classes of the tenants with those of the engines that would answer them.

    An engine that is not in this controller's store is left to the host, which verifies it.

    Args:
        environment: whose tenants and whose store.
        released: by served name; None for what the environment's release files say.

    Raises:
        InvalidInput: a tenant's class is higher than that of an engine that it can reach.
    """
    released = releases.load(environment) if released is None else released
    built = {
        share.key: _built(environment, share.key)
        for release in released.values()
        for share in release.engines
    }
    classes = {key: each.classification for key, each in built.items() if each}
    source = f"releases of {environment.name}"
    check_classes(sites.load(environment).tenants, released, classes, source=source)


def _refused(environment: Environment) -> str:
    # Not raised: whoever has to build the engine that would be right needs these variables, too.
    try:
        check(environment)
    except InvalidInput as error:
        return str(error)
    return ""


def _engine(
    environment: Environment, name: str, share: Share, limits: Mapping[str, Limits]
) -> dict[str, object]:
    folder = environment.store / share.key
    built = _built(environment, share.key)
    return {
        "key": share.key,
        "name": releases.served(name),
        "source": str(folder / ENGINE),
        "signature": str(folder / SIGNATURE),
        "port": port_of(share.key),
        "share": share.share,
        "slots": built.slots if built else 1,  # not in this store, so that nothing can be copied
        **limits.get(releases.served(name), Limits()).model_dump(),
        **({"contained": _contained(built)} if built and built.container else {}),
    }


def _contained(built: Built) -> dict[str, object]:
    return contained.of_manifest(
        container=built.container,
        target=built.target,
        parallelism=built.parallelism,
        serve=built.serve,
        host=built.host,
    )


def _built(environment: Environment, key: str) -> Built | None:
    """What the manifest of the engine `key` says; None where the store does not hold it."""
    path = environment.store / key / ENGINE / MANIFEST
    if not path.exists():
        return None
    source = str(path.relative_to(environment.root))
    return parse(Built, _read(path).get("predicate"), source=source, root="predicate")


def _limits(environment: Environment) -> dict[str, Limits]:
    """The limits of every served name that has a spec.

    Raises:
        InvalidInput: a limit is not a positive number, or a spec is not YAML.
    """
    found = {}
    for path in sorted((environment.root / SPECS).glob("*.yaml")):
        spec = read_yaml(path)
        if isinstance(spec, dict) and "name" in spec:
            source = str(path.relative_to(environment.root))
            limits = parse(Limits, spec.get("limits") or {}, source=source, root="limits")
            found[str(spec["name"])] = limits
    return found


def _overflow(site: sites.Site) -> list[dict[str, object]]:
    """Where requests may go besides the site, with the classes that may; empty means nowhere."""
    allowed: dict[str, list[str]] = {}
    for each in destinations(site):
        if each.overflow:
            allowed.setdefault(each.overflow, []).append(each.classification.value)
    return [{"address": address, "classifications": names} for address, names in allowed.items()]


def _secrets(environment: Environment) -> dict[str, object]:
    """Where the controller reads secrets; in a rehearsal a stand-in that asks for no account."""
    found = _read(environment.services_file) if environment.rehearsal else {}
    return {
        "endpoint": found.get("endpoint", ""),
        "region": found.get("region", ""),
        "rehearsal": environment.rehearsal,
    }


def _read(path: Path) -> dict[str, object]:
    """A JSON file that an earlier step left, or nothing where that step has not run yet.

    Raises:
        InvalidInput: it is not a JSON object.
    """
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise InvalidInput(str(path), [Problem(path="", message=f"not JSON: {error}")]) from error
