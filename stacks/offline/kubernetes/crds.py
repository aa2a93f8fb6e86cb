"""Custom resources: their definitions in `data/crds/`, and the JSON schemas in them.

`python -m stacks.offline.kubernetes.crds --source "name version, licence" FILE...` adds
definitions from the YAML files that a project publishes, without their descriptions (nine tenths
of the text). Where each came from stands in the file and in `data/crds/README.md`.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from landfall.errors import InvalidInput, Problem

FOLDER = Path(__file__).parents[1] / "data" / "crds"

Schema = dict[str, Any]

PRESERVE = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
VALIDATIONS = "x-kubernetes-validations"

FREEZES = re.compile(r"(?:!has\(oldSelf\.(\w+)\) \|\| )?self == oldSelf")
"""The two forms in which definitions say that a field never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One version of a custom resource.

    Attributes:
        api_version: group and version, `kueue.x-k8s.io/v1beta1`.
        kind: `ClusterQueue`.
        namespaced: whether its objects belong to a namespace.
        source: the project, its version and its licence.
        schema: the JSON schema of an object, without its metadata.
        frozen: patterns (`spec.levels[].name`) of the fields that never change once they are set,
            and the name of the field in them, if any, that must be set for that to hold.
    """

    api_version: str
    kind: str
    namespaced: bool
    source: str
    schema: Schema
    frozen: Mapping[str, str]


@cache
def definitions() -> Mapping[tuple[str, str], Definition]:
    """Every definition that the repository carries, by apiVersion and kind."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        for each in _versions(json.loads(path.read_text(encoding="utf-8"))):
            found[each.api_version, each.kind] = each
    return found


def _versions(entry: Mapping[str, Any]) -> Iterable[Definition]:
    for name, schema in entry["versions"].items():
        yield Definition(
            api_version=f"{entry['group']}/{name}",
            kind=entry["kind"],
            namespaced=entry["scope"] == "Namespaced",
            source=entry["source"],
            schema=_top(schema),
            frozen=dict(_frozen(schema, "")),
        )


def _frozen(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """The fields of which a rule says that they keep their value."""
    for rule in schema.get(VALIDATIONS, ()):
        match = FREEZES.fullmatch(rule["rule"])
        if match:
            yield path, match[1] or ""
    for name, each in schema.get("properties", {}).items():
        yield from _frozen(each, f"{path}.{name}" if path else name)
    if "items" in schema:
        yield from _frozen(schema["items"], f"{path}[]")


def _top(schema: Schema) -> Schema:
    """The schema of a whole object. Its metadata is Kubernetes' own and checked as such."""
    closed = closed_schema(schema)
    text = {"type": "string"}
    closed["properties"] |= {"apiVersion": text, "kind": text, "metadata": {"type": "object"}}
    return closed


def closed_schema(schema: Schema) -> Schema:
    """A structural schema as a JSON schema that refuses what a cluster would drop.

    A field with a default may be missing even where it is required: defaults come first.
    """
    made = {name: value for name, value in schema.items() if not name.startswith("x-kubernetes-")}
    made.pop("format", None)  # int32, quantity and the like; no JSON schema knows them
    if schema.get(INT_OR_STRING):
        made.pop("type", None)
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if schema.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    if "properties" in schema:
        inner = schema["properties"]
        made["properties"] = {name: closed_schema(each) for name, each in inner.items()}
        required = [name for name in schema.get("required", ()) if "default" not in inner[name]]
        made["required"] = required
        made["additionalProperties"] = bool(schema.get(PRESERVE))
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = closed_schema(schema["additionalProperties"])
    if "items" in schema:
        made["items"] = closed_schema(schema["items"])
    return made


def entry_of(manifest: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What is kept of a CustomResourceDefinition manifest: the versions that are served.

    Raises:
        InvalidInput: the manifest is none.
    """
    if manifest.get("kind") != "CustomResourceDefinition":
        message = "must be a CustomResourceDefinition"
        raise InvalidInput(source, [Problem(path="kind", message=message)])
    spec = manifest["spec"]
    return {
        "source": source,
        "group": spec["group"],
        "kind": spec["names"]["kind"],
        "scope": spec["scope"],
        "versions": {
            version["name"]: _bare(version["schema"]["openAPIV3Schema"])
            for version in spec["versions"]
            if version["served"]
        },
    }


def _bare(schema: Any, *, names: bool = False) -> Any:
    """The schema without descriptions. `names` is set where keys are names of properties."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _bare(each, names=name == "properties" and not names)
        for name, each in schema.items()
        if names or name != "description"
    }


def main() -> None:
    """Add definitions from published YAML files to `data/crds/`."""
    parser = argparse.ArgumentParser(prog="python -m stacks.offline.kubernetes.crds")
    parser.add_argument("--source", required=True, help="project, version and licence")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    for path in options.files:
        entry = entry_of(yaml.safe_load(path.read_text(encoding="utf-8")), options.source)
        target = FOLDER / f"{entry['group']}_{entry['kind'].lower()}.json"
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
        target.write_text(f"{text}\n", encoding="utf-8")
        print(target.name)


if __name__ == "__main__":
    main()
