"""Rendered files: the real provider's names, and texts that every reader of YAML understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from stacks.offline.kubernetes import manifests

values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def thing(**more: Any) -> dict[str, Any]:
    metadata = {"name": "a", "namespace": "b"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, **more}


@pytest.mark.parametrize(
    ("object_", "path"),
    [
        (thing(), "1-manifest/apps_v1-deployment-b-a.yaml"),
        (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}},
            "1-manifest/v1-namespace-default-n.yaml",
        ),
        (
            thing(apiVersion="apiextensions.k8s.io/v1", kind="CustomResourceDefinition"),
            "0-crd/apiextensions.k8s.io_v1-customresourcedefinition-b-a.yaml",
        ),
    ],
)
def test_where_a_file_lies(object_: dict[str, Any], path: str) -> None:
    assert manifests.path_of(object_, Path("k8s")) == Path("k8s") / path


@given(value=values)
def test_what_is_written_is_what_is_read(value: Any) -> None:
    assert yaml.safe_load(manifests.text_of({"spec": value})) == {"spec": value}


@pytest.mark.parametrize("text", ["1e3", "0o17", "0x1f", "yes", "n", "NULL", "1_0", "12:30", "~"])
def test_texts_that_a_reader_could_take_for_something_else_are_quoted(text: str) -> None:
    assert f'spec: "{text}"' in manifests.text_of({"spec": text})


def test_writing_and_removing(tmp_path: Path) -> None:
    path = manifests.write(thing(), tmp_path)
    first = path.read_bytes()
    assert manifests.write(thing(), tmp_path).read_bytes() == first
    assert [each.name for each in (tmp_path / "1-manifest").iterdir()] == [path.name]
    manifests.remove(thing(), tmp_path)
    manifests.remove(thing(), tmp_path)
    assert not path.exists()
