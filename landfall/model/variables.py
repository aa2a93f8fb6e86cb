"""What roles need to know, computed from the files of an environment.

The values are the same whether a playbook is run by hand or by the command.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from landfall.model import release as releases
from landfall.model import site as sites
from landfall.model.environment import Environment
from landfall.model.release import Share
from landfall.model.routing import destinations, port_of, routes

DEFAULT_SLOTS = 1
"""Where an engine is released that this controller's store does not hold."""

ENGINE, SIGNATURE, PUBLIC_KEY = "engine", "engine.sig", "signing.pub"
MANIFEST = "manifest.json"
"""Where an engine, its signature and the key that checks it stand below store and keys."""


def compute(environment: Environment) -> dict[str, object]:
    """Variables for every host of an environment, all named `landfall_…`.

    Raises:
        InvalidInput: the site or a release file is wrong.
    """
    site = sites.load(environment)
    released = releases.load(environment)
    return {
        "landfall_environment": environment.name,
        "landfall_tenants": [each.model_dump(mode="json") for each in site.tenants],
        "landfall_routes": [asdict(route) for route in routes(released)],
        "landfall_overflow": _overflow(site),
        "landfall_engines": [
            _engine(environment, name, share)
            for name in sorted(released)
            for share in released[name].engines
        ],
        "landfall_public_key": str(environment.keys / PUBLIC_KEY),
        "landfall_handoff": _read(environment.handoff_file),
        "landfall_wheelhouse": _read(environment.wheelhouse_file),
        "landfall_secrets": _secrets(environment),
    }


def _engine(environment: Environment, name: str, share: Share) -> dict[str, object]:
    folder = environment.store / share.key
    return {
        "key": share.key,
        "name": name,
        "source": str(folder / ENGINE),
        "signature": str(folder / SIGNATURE),
        "port": port_of(share.key),
        "share": share.share,
        "slots": _slots(folder / ENGINE / MANIFEST),
    }


def _slots(manifest: Path) -> int:
    """How many requests an engine was built to answer at a time, as its manifest says."""
    found = _read(manifest).get("predicate")
    return int(found["slots"]) if isinstance(found, dict) else DEFAULT_SLOTS


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
    """A JSON file that an earlier step left, or nothing where that step has not run yet."""
    return dict(json.loads(path.read_text())) if path.exists() else {}
