"""Aliases of the model registry that follow what answers at the site. They grant nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from landfall import files
from landfall.errors import LandfallError
from landfall.model import release
from landfall.model.environment import Environment

REMEMBERED = "aliases.json"
"""The engines that aliases follow, below an environment's leavings: a run that moves nothing asks
nobody."""


def name(environment: Environment, served: str) -> str:
    """The alias of what answers for a served name, in the letters that MLflow allows."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", f"{environment.name}-{served}")


def follow(environment: Environment) -> str:
    """Let each alias stand for the version whose engine answers; call it when hosts are healthy.

    A name with a canary keeps its alias until the canary was promoted or taken back, as the proven
    engine stays the same. Engines of models that came from no registry have none. A registry that
    does not answer is no failure: hosts serve without it, and the next run sets what is missing.

    Returns:
        What was done or could not be done, in words; empty where there was nothing to do.
    """
    file = environment.work / REMEMBERED
    had: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    now = {name(environment, each): it.proven for each, it in release.load(environment).items()}
    moved = {alias: key for alias, key in now.items() if had.get(alias) != key}
    if not moved:
        return ""
    try:
        done = list(_set(environment, moved))
    except LandfallError as error:
        return f"aliases stay as they are: {error.message.splitlines()[0]}"
    files.write(file, json.dumps({**had, **moved}, indent=2) + "\n")
    return "; ".join(done)


def _set(environment: Environment, moved: Mapping[str, str]) -> Iterator[str]:
    """Set aliases, given with the keys of engines; what was done, in words."""
    # Together a second to import, and seldom needed.
    from engines import manifest
    from engines.store import Store
    from landfall import registry
    from landfall.cli.flow import services

    for alias, key in moved.items():
        entry = Store(environment.store).get(key)
        made = manifest.read(entry.engine).predicate.materials if entry else None
        if made is None or not made.run:
            continue
        uri = services.registry_uri(environment)
        version = registry.resolve(made.model, made.version, tracking_uri=uri)
        registry.set_alias(version, alias, tracking_uri=uri)
        yield f"alias {alias} stands for {version.uri}"
