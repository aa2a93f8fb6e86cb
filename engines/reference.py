"""Which model a spec means: of the registry, a Hugging Face folder, or an ONNX file."""

from __future__ import annotations

import re
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from engines import foreign
from landfall.model.classification import Classification
from landfall.model.parsing import Written

URI = re.compile(r"^models:/(?P<name>[^/@]+)(?:/(?P<version>\d+)|@(?P<alias>[\w-]+))$")
"""How MLflow writes a version of a model, by number or by alias."""

ONE_OF = ("name", "uri", "huggingface", "onnx")

Form = Literal["registry", "huggingface", "onnx"]


class ModelReference(Written):
    """A model: in the registry by version or alias, or in files that somebody brought.

    Attributes:
        name: in the registry; `version` is fixed, `alias` is whatever it points to now.
        uri: the same as MLflow writes it; read as `name` with `version` or `alias`.
        huggingface: a folder with config.json, safetensors and tokenizer, from the checkout's root.
        onnx: a file, from the checkout's root.
        version: of a folder or a file, a word that people know it by; the digest where none is.
        classification: the highest class of data that a folder or file was trained on; the registry
            knows it of its own models.
    """

    name: str = ""
    version: str | None = None
    alias: str | None = None
    uri: str | None = None
    huggingface: str | None = None
    onnx: str | None = None
    classification: Classification | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_uri(cls, value: Any) -> Any:
        if not isinstance(value, dict) or any(
            each in value for each in ("name", "version", "alias")
        ):
            return value
        match = URI.match(value["uri"]) if isinstance(value.get("uri"), str) else None
        if match is None:
            return value
        told = {name: text for name, text in match.groupdict().items() if text}
        return {**{key: each for key, each in value.items() if key != "uri"}, **told}

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        # MLflow's versions are words that look like numbers; YAML reads them as numbers.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("uri")
    @classmethod
    def _known_uri(cls, value: str | None) -> str | None:
        # A good one was taken apart before.
        if value is not None and URI.match(value) is None:
            message = "must be models:/NAME/VERSION or models:/NAME@ALIAS"
            raise ValueError(f"{message}, not {value!r}")
        return value

    @field_validator("huggingface", "onnx")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None and (told := foreign.by_name(value)):
            raise ValueError(told)
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [each for each in ONE_OF if getattr(self, each)]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"give one of {', '.join(ONE_OF)}; given: {found}")
        if self.form == "registry":
            if (self.version is None) == (self.alias is None):
                raise ValueError("give either version or alias")
            if self.classification is not None:
                raise ValueError("classification: the registry knows it; leave it out")
        elif self.alias is not None:
            raise ValueError("an alias belongs to the registry; leave it out")
        elif self.classification is None:
            message = "classification: required for files, the highest class they were trained on"
            raise ValueError(message)
        return self

    @property
    def form(self) -> Form:
        """Where the model comes from."""
        if self.huggingface:
            return "huggingface"
        return "onnx" if self.onnx else "registry"

    @property
    def path(self) -> str:
        """Of a folder or file; empty for a model of the registry."""
        return self.huggingface or self.onnx or ""

    @property
    def told(self) -> str:
        """In words."""
        if self.form != "registry":
            return self.path
        return f"{self.name} {f'version {self.version}' if self.version else self.alias}"
