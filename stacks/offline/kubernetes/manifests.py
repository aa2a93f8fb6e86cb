"""Rendered objects: where the file of each lies, what it says, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stacks.offline.kubernetes import objects
from stacks.offline.kubernetes.diff import DEFAULT_NAMESPACE

DEFINITIONS, OBJECTS = "0-crd", "1-manifest"
"""The two folders of the real provider: what comes first is applied first."""

HEADER = "# Rendered offline: ids and ARNs in it are made up. Never apply it to a cluster.\n"

LOOKS_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z/][^\n]*", re.IGNORECASE
)
"""Texts that every reader of YAML takes for texts, without quotes."""


class _Dumper(yaml.SafeDumper):
    """Writes texts so that a reader of YAML 1.1 and one of 1.2 see the same."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None if LOOKS_PLAIN.fullmatch(value) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def path_of(inputs: Mapping[str, Any], folder: Path) -> Path:
    """The file of an object, as the real provider names it."""
    group = str(inputs["apiVersion"]).replace("/", "_").replace(":", "_")
    kind, name = str(inputs["kind"]), objects.name_of(inputs)
    place = objects.namespace_of(inputs) or DEFAULT_NAMESPACE
    part = DEFINITIONS if kind == "CustomResourceDefinition" else OBJECTS
    return folder / part / f"{group}-{kind.lower()}-{place}-{name}.yaml"


def text_of(inputs: Mapping[str, Any]) -> str:
    """The file's text: the same object gives the same bytes."""
    kept = {name: value for name, value in inputs.items() if not name.startswith("__")}
    return HEADER + yaml.dump(kept, Dumper=_Dumper, sort_keys=True, width=10**6)


def write(inputs: Mapping[str, Any], folder: Path) -> Path:
    """Write the file of an object whole, and make the folders that a reader looks for."""
    path = path_of(inputs, folder)
    for part in (DEFINITIONS, OBJECTS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")  # no reader of *.yaml takes it
    partial.write_text(text_of(inputs), encoding="utf-8")
    partial.replace(path)
    return path


def remove(inputs: Mapping[str, Any], folder: Path) -> None:
    """Remove the file of an object; one that is gone is gone."""
    path_of(inputs, folder).unlink(missing_ok=True)
