"""Aliases of the model registry that follow what answers at the site. They grant nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from engines import manifest
from engines.manifest import Materials
from engines.store import Store
from landfall import files
from landfall.cli.flow import services
from landfall.errors import LandfallError
from landfall.model import release
from landfall.model.environment import Environment

REMEMBERED = "aliases.json"
"""What was set last, below an environment's leavings: a run that moves nothing asks nobody."""


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
    try:
        found = dict(_answering(environment))
        wanted = {alias: made for alias, made in found.items() if had.get(alias) != _address(made)}
        if not wanted:
            return ""
        _set(environment, wanted)
    except LandfallError as error:
        return f"aliases stay as they are: {error.message.splitlines()[0]}"
    now = {alias: _address(made) for alias, made in wanted.items()}
    files.write(file, json.dumps({**had, **now}, indent=2) + "\n")
    return "; ".join(f"alias {alias} stands for {each}" for alias, each in now.items())


def _answering(environment: Environment) -> Iterator[tuple[str, Materials]]:
    """Each alias, with what the proven engine of its name was made of."""
    store = Store(environment.store)
    for served, released in release.load(environment).items():
        entry = store.get(released.proven)
        made = manifest.read(entry.engine).predicate.materials if entry else None
        if made is not None and made.run:
            yield name(environment, served), made


def _set(environment: Environment, wanted: dict[str, Materials]) -> None:
    from landfall import registry  # slow to import

    uri = services.registry_uri(environment)
    for alias, made in wanted.items():
        version = registry.resolve(made.model, made.version, tracking_uri=uri)
        registry.set_alias(version, alias, tracking_uri=uri)


def _address(made: Materials) -> str:
    return f"models:/{made.model}/{made.version}"
