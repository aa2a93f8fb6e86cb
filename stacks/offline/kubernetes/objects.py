"""What the provider makes of the inputs of an object before it checks them: its name, its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from stacks.offline.kubernetes.schemas import Kind
from stacks.offline.wire import UNKNOWN, Properties, Secret, reveal

AUTONAMED = "pulumi.com/autonamed"
"""The annotation by which the real provider tells a name that it made itself."""

HEX_DIGITS = 8
LONGEST_NAME = 63
"""Names of some kinds are longer; one that fits everywhere is what the provider makes."""

UNDERSCORED = "x_kubernetes_"
"""How the SDK writes the extensions of a schema, whose names have hyphens."""


def object_type(token: str) -> tuple[str, str]:
    """The apiVersion and the kind of a resource type: `kubernetes:apps/v1:Deployment`."""
    _, api_version, kind = token.split(":")
    return api_version.removeprefix("core/"), kind


def fill(
    news: Properties,
    olds: Properties,
    *,
    urn: str,
    kind: Kind,
    namespace: str,
    replaced: str = "",
) -> Properties:
    """The object with its type, its name and its namespace.

    `namespace` is the provider's default, and `replaced` the automatic name of the object that
    this one replaces.
    """
    inputs: Properties = _plain(news)
    inputs.setdefault("apiVersion", kind.api_version)
    inputs.setdefault("kind", kind.name)
    given = inputs.get("metadata") or {}
    if not isinstance(given, dict):  # unknown, secret or wrong: the check says which
        return inputs
    metadata = dict(given)
    if not metadata.get("name"):
        metadata["name"] = _old_name(olds) or automatic_name(urn, replaced)
        metadata["annotations"] = _annotated(metadata.get("annotations"))
    if kind.namespaced and namespace and not metadata.get("namespace"):
        metadata["namespace"] = namespace
    return inputs | {"metadata": metadata}


def automatic_name(urn: str, replaced: str = "") -> str:
    """A name in the provider's form. Its hex digits come from the URN, so runs agree."""
    digest = hashlib.sha256(f"{urn}|{replaced}".encode()).hexdigest()[:HEX_DIGITS]
    logical = urn.rpartition("::")[2]
    return f"{logical[: LONGEST_NAME - HEX_DIGITS - 1]}-{digest}"


def name_of(inputs: Mapping[str, Any]) -> str:
    """The name of an object, or "" where it is not known."""
    return _text(inputs, "name")


def namespace_of(inputs: Mapping[str, Any]) -> str:
    """The namespace of an object; "" where it has none or it is not known."""
    return _text(inputs, "namespace")


def is_autonamed(inputs: Mapping[str, Any]) -> bool:
    """Whether the provider made the object's name."""
    annotations = _metadata(inputs).get("annotations")
    return isinstance(annotations, dict) and annotations.get(AUTONAMED) == "true"


def _old_name(olds: Properties) -> str:
    return name_of(olds) if is_autonamed(olds) else ""


def _annotated(annotations: Any) -> Any:
    if annotations is not None and not isinstance(annotations, dict):
        return annotations
    return {**(annotations or {}), AUTONAMED: "true"}


def _text(inputs: Mapping[str, Any], name: str) -> str:
    found = reveal(_metadata(inputs).get(name))
    return found if isinstance(found, str) else ""


def _metadata(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    found = reveal(inputs.get("metadata"))
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:
    """The value without nulls, and with the names that Kubernetes uses."""
    if isinstance(value, dict):
        return {
            _hyphened(name): _plain(each)
            for name, each in value.items()
            if each is not None and name != "__defaults"
        }
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, Secret):
        return Secret(_plain(value.value))
    return UNKNOWN if value is UNKNOWN else value


def _hyphened(name: str) -> str:
    return name.replace("_", "-") if name.startswith(UNDERSCORED) else name
