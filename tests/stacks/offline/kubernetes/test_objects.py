"""Names and places of objects are those that the real provider gives."""

from __future__ import annotations

import re
from typing import Any

import pytest

from stacks.offline.kubernetes import objects, schemas
from stacks.offline.wire import UNKNOWN, Secret

URN = "urn:pulumi:dev::landfall::kubernetes:v1:ConfigMap::settings"
AUTONAMED = {"annotations": {"pulumi.com/autonamed": "true"}}


def fill(news: dict[str, Any], olds: dict[str, Any] | None = None, **more: str) -> dict[str, Any]:
    kind = schemas.kind("v1", more.pop("kind", "ConfigMap"))
    options = {"namespace": "", **more}
    return objects.fill(news, olds or {}, urn=URN, kind=kind, **options)


@pytest.mark.parametrize(
    ("token", "wanted"),
    [
        ("kubernetes:core/v1:Pod", ("v1", "Pod")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        ("kubernetes:kueue.x-k8s.io/v1beta1:LocalQueue", ("kueue.x-k8s.io/v1beta1", "LocalQueue")),
    ],
)
def test_types(token: str, wanted: tuple[str, str]) -> None:
    assert objects.object_type(token) == wanted


def test_a_name_is_made_once_and_kept() -> None:
    made = fill({})
    assert re.fullmatch(r"settings-[0-9a-f]{8}", made["metadata"]["name"])
    assert made["metadata"]["annotations"] == AUTONAMED["annotations"]
    assert fill({}) == made
    assert fill({}, {"metadata": {"name": "settings-old", **AUTONAMED}})["metadata"]["name"] == (
        "settings-old"
    )
    assert fill({}, replaced=made["metadata"]["name"]) != made


def test_a_name_that_was_given_is_never_kept_as_automatic() -> None:
    made = fill({}, {"metadata": {"name": "mine"}})
    assert made["metadata"]["name"] != "mine"
    assert fill({"metadata": {"name": "mine"}})["metadata"] == {"name": "mine"}


def test_a_long_name_is_cut() -> None:
    assert len(objects.automatic_name(f"urn::{'x' * 99}")) == 63


def test_the_default_namespace_is_for_kinds_that_have_one() -> None:
    named = {"metadata": {"name": "a"}}
    assert fill(named, namespace="n")["metadata"] == {"name": "a", "namespace": "n"}
    assert fill(named, namespace="n", kind="Namespace")["metadata"] == {"name": "a"}
    given = {"metadata": {"name": "a", "namespace": UNKNOWN}}
    assert fill(given, namespace="n")["metadata"]["namespace"] is UNKNOWN


def test_nulls_go_and_the_names_of_extensions_get_their_hyphens() -> None:
    made = fill({"data": {"a": None, "b": [Secret({"c": None})]}, "x_kubernetes_map_type": "x"})
    assert made["data"] == {"b": [Secret({})]}
    assert made["x-kubernetes-map-type"] == "x"
