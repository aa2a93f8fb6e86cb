"""Which engines no longer fit the host that they are to run on: a pure function."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def engine_rebuilds(manifests: list[str], facts: str) -> list[str]:
    """Why engines must be built again, one line for each part of a key that changed.

    `manifests` are the texts of the engines' manifest.json, `facts` is what `python -m engines
    facts` says on the host.
    """
    here = json.loads(facts)
    return [
        f"{predicate['engine']} {predicate['key'][:12]}: {reason}"
        for predicate in (json.loads(text)["predicate"] for text in manifests)
        for reason in _reasons(predicate, here)
    ]


def _reasons(predicate: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    backend, version = predicate["backend"], predicate["backend_version"]
    found = here["packages"].get(backend)
    if not predicate.get("container") and found != version:  # a container brings its own
        yield f"built with {backend} {version}; this host has {found or 'none'}"
    if predicate["target"] == "cpu":
        wanted = predicate["parts"]["target"]
        isa = "+".join([here["machine"], *here["isa"]])
        if isa != wanted:
            yield f"built for a processor with {wanted}; this host has {isa}"
    elif not any(predicate["target"] in each for each in here["gpus"]):
        gpus = ", ".join(here["gpus"])
        yield f"built for {predicate['target']}; this host has {gpus or 'no GPU'}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"engine_rebuilds": engine_rebuilds}
