"""What a change does to an object: nothing, an update, or a replacement, as the provider has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stacks.offline.compare import Change, Sides, compare
from stacks.offline.kubernetes import objects
from stacks.offline.kubernetes.schemas import table
from stacks.offline.semantics import Rules
from stacks.offline.wire import Properties

ALWAYS = ("metadata.name", "metadata.namespace")
"""What an object is found by."""

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the provider's configuration says about replacements."""

    config_map_mutable: bool = False
    secret_mutable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The changes, and the paths of those that replace the object."""

    changes: tuple[Change, ...]
    replaces: tuple[str, ...]
    delete_first: bool


def diff(olds: Properties, news: Properties, *, namespaced: bool, options: Options) -> Difference:
    """Compare two versions of one object. Secrets are already opened."""
    before, after = (_placed(each, namespaced=namespaced) for each in (olds, news))
    sides = Sides(rules=Rules(token=""), state={}, old_inputs=before, new_inputs=after)
    changes = tuple(compare(sides))
    paths = _replacing(after, options)
    replaces = tuple(change.path for change in changes if _hits(change.pattern, paths))
    same = all(find(before) == find(after) for find in (objects.name_of, objects.namespace_of))
    first = bool(replaces) and same and not objects.is_autonamed(after)
    return Difference(changes=changes, replaces=replaces, delete_first=first)


def _replacing(inputs: Properties, options: Options) -> tuple[str, ...]:
    kind = f"{inputs.get('apiVersion')} {inputs.get('kind')}"
    paths = [*ALWAYS, *table()["replace"].get(kind, ())]
    mutable = options.config_map_mutable and inputs.get("immutable") is not True
    if kind == "v1 ConfigMap" and mutable:
        paths = list(ALWAYS)
    if kind == "v1 Secret" and not options.secret_mutable:
        paths += ["data", "stringData"]
    return tuple(paths)


def _hits(pattern: str, paths: tuple[str, ...]) -> bool:
    """Whether a change is at, below or above one of the paths."""
    return any(_below(pattern, path) or _below(path, pattern) for path in paths)


def _below(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))


def _placed(inputs: Properties, *, namespaced: bool) -> Properties:
    """The object with its namespace written out: none is the namespace `default`."""
    metadata: Any = inputs.get("metadata")
    if not namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return inputs
    return inputs | {"metadata": metadata | {"namespace": DEFAULT_NAMESPACE}}
