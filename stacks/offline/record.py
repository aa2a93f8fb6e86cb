"""The properties of every type in the table, as the SDK that it was checked with has them.

`python -m stacks.offline.record` writes them down from the installed SDK, after somebody has seen
to what a new SDK adds and drops: `differences` says which, and a test fails until then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stacks.offline import schema, semantics
from stacks.offline.schema import Field, Shape

RECORD = Path(__file__).parent / "data" / "sdk_properties.json"

PACKAGE = "pulumi_aws"

Properties = Mapping[str, frozenset[str]]
"""By type, its properties as `cidrBlock string`; a `!` after the kind says that it is required."""


def live() -> Properties:
    """The properties of the installed SDK."""
    return {token: frozenset(_properties(token)) for token in semantics.table()["types"]}


def recorded() -> tuple[str, Properties]:
    """The version of the SDK that was recorded, and its properties."""
    found: Mapping[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
    types = {token: frozenset(text.split(", ")) for token, text in found["types"].items()}
    return found["version"], types


def differences(old: Properties, new: Properties) -> list[str]:
    """What was added to and dropped from each type, one line each."""
    found = []
    for token in sorted(old.keys() | new.keys()):
        before, after = old.get(token, frozenset()), new.get(token, frozenset())
        found += [f"{token}: added {each}" for each in sorted(after - before)]
        found += [f"{token}: dropped {each}" for each in sorted(before - after)]
    return found


def _properties(token: str) -> Iterator[str]:
    found = schema.resource(token)
    yield from _fields(found.inputs, "")
    for name, field in found.outputs.items():
        if name not in found.inputs:
            yield f"{name} {field.shape.kind} output"


def _fields(fields: Mapping[str, Field], prefix: str) -> Iterator[str]:
    for name, field in fields.items():
        shape, path = field.shape, f"{prefix}{name}"
        yield f"{path} {shape.kind}{'!' if field.required else ''}"
        yield from _inside(shape, path)


def _inside(shape: Shape, path: str) -> Iterator[str]:
    if shape.element is not None:
        yield from _inside(shape.element, f"{path}[]")
    yield from _fields(shape.fields, f"{path}.")


def main() -> None:
    """Write the record, and say what is new in it."""
    properties = live()
    if RECORD.exists():
        for line in differences(recorded()[1], properties):
            print(line)
    types = {token: ", ".join(sorted(each)) for token, each in sorted(properties.items())}
    text = json.dumps({"version": version(PACKAGE), "types": types}, indent=0)
    partial = RECORD.with_name(f"{RECORD.name}.part")
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(RECORD)


if __name__ == "__main__":
    main()
