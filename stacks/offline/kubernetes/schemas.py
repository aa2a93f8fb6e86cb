"""The JSON schema of any kind of object, and what else is known of the kind."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.protocols import Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

from stacks.offline.kubernetes.crds import definitions

VERSION = "1.34"
"""The Kubernetes release whose schemas are used where nobody says which."""

TABLE = Path(__file__).parents[1] / "data" / "kubernetes.toml"

DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
"""The name by which the schemas of kubernetes-validate refer to what they share. Never fetched."""

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class UnknownKind(LookupError):
    """There is no schema of this kind; the message says where one was looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object, and the schema that its objects must fit."""

    api_version: str
    name: str
    namespaced: bool
    custom: bool
    validator: Validator
    frozen: Mapping[str, str]


@cache
def kind(api_version: str, name: str, version: str = VERSION) -> Kind:
    """The kind of this name, in a cluster of Kubernetes release `version` ("1.35").

    Raises:
        UnknownKind: there is no schema of it.
    """
    custom = definitions().get((api_version, name))
    if custom is not None:
        validator = Draft202012Validator(custom.schema)
        namespaced = custom.namespaced
    else:
        validator = _own(api_version, name, version)
        namespaced = name not in table()["cluster_scoped"]
    return Kind(
        api_version=api_version,
        name=name,
        namespaced=namespaced,
        custom=custom is not None,
        validator=validator,
        frozen=custom.frozen if custom is not None else {},
    )


@cache
def metadata(version: str = VERSION) -> Validator:
    """What the metadata of every object must fit."""
    return _validator({"$ref": f"{DEFINITIONS}#/$defs/{OBJECT_META}"}, version)


@cache
def table() -> Mapping[str, Any]:
    """What is known of Kubernetes' own kinds beside their schemas."""
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def versions() -> list[str]:
    """The Kubernetes releases whose schemas are installed, oldest first."""
    names = [entry.name for entry in _folder().iterdir()]
    found = {match[1] for name in names if (match := re.match(r"v(\d+\.\d+)\.\d+-local", name))}
    return sorted(found, key=lambda each: [int(part) for part in each.split(".")])


def _own(api_version: str, name: str, version: str) -> Validator:
    """The schema of one of Kubernetes' own kinds."""
    group, _, number = api_version.rpartition("/")
    stem = f"{group.partition('.')[0]}-{number}" if group else number
    file = _strict(version).joinpath(f"{name.lower()}-{stem}.json")
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if api_version not in found.get("properties", {}).get("apiVersion", {}).get("enum", ()):
        raise UnknownKind(_nowhere(api_version, name, version))
    return _validator(found, version)


def _nowhere(api_version: str, name: str, version: str) -> str:
    served = sorted(group for group, each in definitions() if each == name)
    there = f"; {name} is served as {', '.join(served)}" if served else ""
    return (
        f"no schema of {name} in {api_version}: neither Kubernetes {version} nor the definitions "
        f"in stacks/offline/data/crds/ have it{there}"
    )


def _validator(schema: Mapping[str, Any], version: str) -> Validator:
    return Draft202012Validator(schema, registry=_registry(version))


@cache
def _registry(version: str) -> Any:
    text = _strict(version).joinpath("_definitions.json").read_text(encoding="utf-8")
    return Registry().with_resource(DEFINITIONS, Resource.from_contents(json.loads(text)))


def _strict(version: str) -> Any:
    """The folder of the schemas that refuse unknown fields."""
    if version not in versions():
        known = versions()
        message = f"Kubernetes {version}: there are schemas of {known[0]} to {known[-1]}"
        raise UnknownKind(message)
    return _folder().joinpath(f"v{version}.0-local-strict")


@cache
def _folder() -> Any:
    return resources.files("kubernetes_validate").joinpath("kubernetes-json-schema")
