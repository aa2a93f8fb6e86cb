"""References to models: one way to name each, and the same for MLflow's own addresses."""

from __future__ import annotations

import pytest

from engines.reference import ModelReference


@pytest.mark.parametrize(
    ("uri", "name", "version", "alias", "told"),
    [
        ("models:/tiny-lm/3", "tiny-lm", "3", None, "tiny-lm version 3"),
        ("models:/tiny-lm@production", "tiny-lm", None, "production", "tiny-lm production"),
    ],
)
def test_an_address_is_a_name_with_version_or_alias(
    uri: str, name: str, version: str | None, alias: str | None, told: str
) -> None:
    found = ModelReference.model_validate({"uri": uri})
    assert (found.name, found.version, found.alias) == (name, version, alias)
    assert (found.form, found.told, found.path) == ("registry", told, "")
    assert found == ModelReference(name=name, version=version, alias=alias)


@pytest.mark.parametrize(
    ("given", "form"),
    [
        ({"huggingface": "models/a", "classification": "public"}, "huggingface"),
        ({"onnx": "models/a/model.onnx", "classification": "public"}, "onnx"),
    ],
)
def test_files_have_a_path(given: dict[str, str], form: str) -> None:
    found = ModelReference.model_validate(given)
    assert found.form == form
    assert found.told == found.path == given[form]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "give one of name, uri, huggingface, onnx; given: none"),
        ({"name": "a"}, "give either version or alias"),
        ({"name": "a", "version": 1, "classification": "public"}, "the registry knows it"),
        ({"huggingface": "a", "alias": "b", "classification": "public"}, "an alias belongs to"),
        ({"huggingface": "a.bin", "classification": "public"}, "is a pickle"),
        ({"onnx": "saved_model.pb", "classification": "public"}, "tf2onnx"),
        ({"uri": "models:/a", "name": "b"}, "must be models:/NAME/VERSION"),
    ],
)
def test_what_is_no_reference(given: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        ModelReference.model_validate(given)
