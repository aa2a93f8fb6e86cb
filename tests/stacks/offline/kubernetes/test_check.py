"""What is said about objects: the cases are data."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacks.offline.kubernetes import check, schemas
from stacks.offline.kubernetes.crds import FOLDER, closed_schema, definitions
from stacks.offline.kubernetes.schemas import UnknownKind
from stacks.offline.wire import UNKNOWN, Secret

CASES = tomllib.loads((Path(__file__).parent / "objects.toml").read_text())["case"]


def marked(value: Any) -> Any:
    """The value, with "?" as an unknown value and "!text" as a secret one."""
    if isinstance(value, dict):
        return {name: marked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [marked(each) for each in value]
    if isinstance(value, str) and value.startswith("!"):
        return Secret(value[1:])
    return UNKNOWN if value == "?" else value


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    api_version, name = case["type"].split()
    kind = schemas.kind(api_version, name)
    made = {"apiVersion": api_version, "kind": name}
    old = made | marked(case["old"]) if "old" in case else {}
    found = check.problems(made | marked(case["object"]), old, kind, schemas.VERSION)
    said, wanted = [str(each) for each in found], case.get("problems", [])
    assert len(said) == len(wanted), said
    assert all(any(each.startswith(start) for each in said) for start in wanted), said
    assert "hunter2" not in "".join(said)


@pytest.mark.parametrize(
    ("api_version", "name", "version", "said"),
    [
        ("example.com/v1", "Thing", "1.34", "no schema of Thing in example.com/v1"),
        ("kueue.x-k8s.io/v9", "LocalQueue", "1.34", "is served as kueue.x-k8s.io/v1beta1"),
        ("example.com/v1", "Deployment", "1.34", "no schema of Deployment in example.com/v1"),
        ("v1", "Pod", "1.99", "Kubernetes 1.99: there are schemas of 1.25 to "),
    ],
)
def test_a_kind_without_a_schema_is_an_error(
    api_version: str, name: str, version: str, said: str
) -> None:
    with pytest.raises(UnknownKind, match=re.escape(said)):
        schemas.kind(api_version, name, version)


def test_a_kind_that_a_release_does_not_have_yet() -> None:
    """Dynamic resource allocation is served as v1 since 1.34."""
    assert schemas.kind("resource.k8s.io/v1", "DeviceClass", "1.34")
    with pytest.raises(UnknownKind):
        schemas.kind("resource.k8s.io/v1", "DeviceClass", "1.33")


@pytest.mark.parametrize("key", sorted(definitions()), ids=" ".join)
def test_every_definition_checks_something(key: tuple[str, str]) -> None:
    kind = schemas.kind(*key)
    thing = {"apiVersion": key[0], "kind": key[1], "metadata": {"name": "a"}, "zzz": 1}
    assert "zzz: no such field" in [
        str(each) for each in check.problems(thing, {}, kind, schemas.VERSION)
    ]


def test_the_readme_names_every_definition_and_its_source() -> None:
    text = (FOLDER / "README.md").read_text()
    rows = [re.split(r" *\| *", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    written = {
        (kind, f"{row[0]} {row[1]}, {row[3]}") for row in rows[2:] for kind in row[4].split(", ")
    }
    assert written == {(each.kind, each.source) for each in definitions().values()}


def test_kinds_of_the_table_exist() -> None:
    for each in schemas.table()["replace"]:
        assert schemas.kind(*each.split())
    folder = schemas._strict(schemas.VERSION)
    there = {path.name.partition("-")[0] for path in folder.iterdir()}
    assert [each for each in schemas.table()["cluster_scoped"] if each.lower() not in there] == []


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.just(UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["name", "labels", "selector", "matchLabels", "template", "metadata", "a"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@given(metadata=anything, spec=anything, old=anything)
@settings(max_examples=200)
def test_any_object_is_judged_without_falling_over(metadata: Any, spec: Any, old: Any) -> None:
    for api_version, name in (("apps/v1", "Deployment"), ("kueue.x-k8s.io/v1beta1", "LocalQueue")):
        thing = {"apiVersion": api_version, "kind": name, "metadata": metadata, "spec": spec}
        before = {"metadata": metadata, "spec": old}
        kind = schemas.kind(api_version, name)
        for problem in check.problems(thing, before, kind, schemas.VERSION):
            assert problem.message


def test_a_structural_schema_is_closed() -> None:
    made = closed_schema(
        {
            "type": "object",
            "required": ["a", "b"],
            "properties": {
                "a": {"type": "string", "default": "x"},
                "b": {"x-kubernetes-int-or-string": True, "format": "quantity"},
                "c": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "d": {"type": "string", "nullable": True},
            },
        }
    )
    assert made["required"] == ["b"]
    assert made["additionalProperties"] is False
    assert made["properties"]["b"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert made["properties"]["c"] == {"type": "object"}
    assert made["properties"]["d"]["type"] == ["string", "null"]
