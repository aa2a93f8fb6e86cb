"""What changes do to objects: the cases are data."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stacks.offline.kubernetes import schemas
from stacks.offline.kubernetes.diff import Options, diff
from stacks.offline.wire import UNKNOWN

CASES = tomllib.loads((Path(__file__).parent / "changes.toml").read_text())["case"]


def unknowns(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: unknowns(each) for name, each in value.items()}
    return UNKNOWN if value == "?" else value


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    api_version, name = case["type"].split()
    made = {"apiVersion": api_version, "kind": name}
    found = diff(
        made | case["old"],
        made | unknowns(case["new"]),
        namespaced=schemas.kind(api_version, name).namespaced,
        options=Options(config_map_mutable=case.get("mutable", False)),
    )
    replaces = case.get("replaces", [])
    assert list(found.replaces) == replaces
    assert {change.path for change in found.changes} == {*replaces, *case.get("updates", ())}
    assert found.delete_first is case.get("deletes_first", False)
