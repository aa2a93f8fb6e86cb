"""The provider's own configuration, and the mark that tells an offline state from a real one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline import check, schema
from stacks.offline.prepare import Surroundings
from stacks.offline.schema import Shape
from stacks.offline.wire import Properties, Secret, is_unknown, reveal

MARK = "landfallOffline"
"""The input that every offline provider carries in state, and no real one does."""

MARKED = "true"

ACCOUNT = "123456789012"
"""The account where the configuration allows none by name; moto answers with the same."""

ENGINE_KEYS = frozenset({"version", "pluginDownloadURL", "pluginChecksums", "parameterization"})
"""Inputs of a provider that belong to the engine."""

REFUSAL = (
    "this state was made with a real AWS provider, and the offline provider is in use: "
    "it would plan against resources that it has never seen. Use a state folder of its own "
    "for offline runs, or run without the offline provider."
)


def complete(olds: Properties, news: Properties) -> tuple[Properties, list[Problem]]:
    """The configuration with the mark and the region, and what is wrong with it."""
    inputs = {name: value for name, value in news.items() if name != MARK}
    if not inputs.get("region"):
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region:
            inputs["region"] = region
    found = [] if is_offline(olds) else [Problem(path="", message=REFUSAL)]
    found += _problems(inputs)
    if not inputs.get("region"):
        found.append(Problem(path="region", message="missing; set aws:region, to eu-central-1 say"))
    return inputs | {MARK: MARKED}, found


def is_offline(olds: Properties) -> bool:
    """Whether a provider's former inputs, if there are any, are those of an offline one."""
    return not (olds.keys() - ENGINE_KEYS) or reveal(olds.get(MARK)) == MARKED


def surroundings(inputs: Properties) -> Surroundings:
    """What the configuration means for resources."""
    plain = {name: _decoded(value) for name, value in reveal(inputs).items()}
    accounts = _known(plain.get("allowedAccountIds")) or [ACCOUNT]
    tags = _known(plain.get("defaultTags")) or {}
    ignored = _known(plain.get("ignoreTags")) or {}
    return Surroundings(
        account=str(accounts[0]),
        region=str(plain.get("region") or ""),
        default_tags=dict(tags.get("tags") or {}),
        ignored_tags=frozenset(ignored.get("keys") or ()),
        ignored_prefixes=tuple(ignored.get("keyPrefixes") or ()),
    )


def _known(value: Any) -> Any:
    return None if is_unknown(value) else value


def _problems(inputs: Properties) -> list[Problem]:
    fields = schema.provider().inputs
    decoded = {
        name: _typed(value, fields[name].shape) if name in fields else value
        for name, value in inputs.items()
    }
    return check.problems(decoded, fields, free=ENGINE_KEYS | {MARK})


def _typed(value: Any, shape: Shape) -> Any:
    """A provider's inputs travel as JSON text unless they are text."""
    if shape.kind == "string":
        return value
    found = _decoded(value)
    return int(found) if isinstance(found, str) and found.isdigit() else found


def _decoded(value: Any) -> Any:
    inner = value.value if isinstance(value, Secret) else value
    if not isinstance(inner, str):
        return inner
    try:
        found = json.loads(inner)
    except ValueError:
        return inner
    return found if isinstance(found, dict | list | bool) else inner


def changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the inputs that differ, the mark aside."""
    names = (olds.keys() | news.keys()) - {MARK} - ENGINE_KEYS
    return tuple(sorted(name for name in names if reveal(olds.get(name)) != reveal(news.get(name))))
