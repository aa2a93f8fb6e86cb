"""What is wrong with an object: its schema, its names, secrets in it, fields that never change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

from landfall.errors import Problem
from stacks.offline.check import meant
from stacks.offline.kubernetes import objects
from stacks.offline.kubernetes.schemas import Kind, metadata
from stacks.offline.wire import UNKNOWN, Properties, Secret, is_unknown, reveal

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LONGEST_SUBDOMAIN, LONGEST_LABEL = 253, 63
"""Characters: Kubernetes documentation, "Object Names and IDs" and "Labels and Selectors"."""

LABEL_NAMED = frozenset({"Namespace", "Service"})
FREELY_NAMED = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
"""Kinds whose names may hold anything but a slash and a percent sign."""

REFUSAL = (
    "is secret, and rendered files are plain text: keep the value in a secret manager and refer to "
    "it with an ExternalSecret or a SecretProviderClass (CSI)"
)

WORDS: Mapping[str, str] = {
    "string": "a string", "integer": "a whole number", "number": "a number",
    "boolean": "true or false", "array": "a list", "object": "an object",
}  # fmt: skip

BOUNDS: Mapping[str, str] = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} elements",
    "maxItems": "must have at most {} elements",
    "minProperties": "must have at least {} entries",
    "maxProperties": "must have at most {} entries",
    "pattern": "must match {}",
    "const": "must be {}",
}


def problems(inputs: Properties, olds: Properties, kind: Kind, version: str) -> list[Problem]:
    """Everything that is wrong with an object, each with its path and never with a value."""
    plain = reveal(inputs)
    found = [*_secrets(inputs, plain, kind), *_type(plain, kind)]
    found += _schema(kind.validator.iter_errors(plain))
    if kind.custom and isinstance(plain.get("metadata"), dict):
        found += _schema(metadata(version).iter_errors(plain["metadata"]), "metadata")
    found += _names(plain, kind)
    found += _selector(plain)
    found += _frozen(reveal(olds), plain, kind)
    return list(dict.fromkeys(found))


def _secrets(inputs: Properties, plain: Properties, kind: Kind) -> Iterator[Problem]:
    where = sorted(_secret_paths(inputs, ""))
    if (kind.api_version, kind.name) == ("v1", "Secret"):
        where = [name for name in ("data", "stringData") if plain.get(name)] or where
    for path in where:
        yield Problem(path=path, message=REFUSAL)


def _secret_paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Secret):
        yield path
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _secret_paths(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _secret_paths(each, f"{path}[{index}]")


def _type(plain: Properties, kind: Kind) -> Iterator[Problem]:
    for name, wanted in (("apiVersion", kind.api_version), ("kind", kind.name)):
        if plain.get(name) not in (wanted, UNKNOWN):
            yield Problem(path=name, message=f"must be {wanted}, as the resource's type says")


def _schema(errors: Iterable[ValidationError], prefix: str = "") -> list[Problem]:
    found: list[Problem] = []
    for error in errors:
        if not _undecided(error):
            found += _said(error, _path(prefix, error.absolute_path))
    return found


def _undecided(error: ValidationError) -> bool:
    """Whether the schema was not met only because a value is not known yet."""
    if error.instance is UNKNOWN:
        return True
    return error.validator in {"anyOf", "oneOf", "not", "allOf"} and is_unknown(error.instance)


def _said(error: ValidationError, path: str) -> list[Problem]:
    """An error of the schema in our words: jsonschema's own hold values."""
    rule, wanted = str(error.validator), error.validator_value
    if rule == "additionalProperties":
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        return [
            Problem(path=_path(path, [name]), message=f"no such field{meant(name, known)}")
            for name in error.instance
            if name not in known
        ]
    if rule == "required":
        missing = [name for name in wanted if name not in error.instance]
        return [Problem(path=_path(path, [name]), message="missing") for name in missing]
    return [Problem(path=path, message=_message(rule, wanted))]


def _message(rule: str, wanted: Any) -> str:
    if rule == "type":
        return f"must be {_kinds([wanted] if isinstance(wanted, str) else wanted)}"
    if rule == "enum":
        return f"must be one of {', '.join(str(each) for each in wanted if each is not None)}"
    if rule in BOUNDS:
        return BOUNDS[rule].format(wanted)
    types = [each["type"] for each in wanted if "type" in each] if isinstance(wanted, list) else []
    return f"must be {_kinds(types)}" if types else "does not fit the schema of its kind"


def _kinds(types: Iterable[str]) -> str:
    return " or ".join(WORDS[each] for each in types if each in WORDS)


def _path(prefix: str, parts: Iterable[Any]) -> str:
    path = prefix
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            path += f".{part}" if path else part
        else:
            path += f'["{part}"]'
    return path


def _names(plain: Properties, kind: Kind) -> Iterator[Problem]:
    given = plain.get("metadata")
    if not isinstance(given, dict):
        return
    if given.get("generateName"):
        message = "a rendered object needs a name of its own; set metadata.name or neither"
        yield Problem(path="metadata.generateName", message=message)
    yield from _name(objects.name_of(plain), kind)
    if given.get("namespace") and not kind.namespaced:
        message = f"a {kind.name} belongs to no namespace; leave it out"
        yield Problem(path="metadata.namespace", message=message)
    place = objects.namespace_of(plain)
    if place and not _fits(LABEL, place, LONGEST_LABEL):
        yield Problem(path="metadata.namespace", message=_form("-", LONGEST_LABEL))
    labels = given.get("labels")
    for name, value in (labels if isinstance(labels, dict) else {}).items():
        if isinstance(value, str) and not _fits(LABEL_VALUE, value, LONGEST_LABEL):
            message = f"must have at most {LONGEST_LABEL} letters, digits and any of - _ ."
            yield Problem(path=f'metadata.labels["{name}"]', message=message)


def _name(name: str, kind: Kind) -> Iterator[Problem]:
    if not name:
        return
    path, length = "metadata.name", LONGEST_SUBDOMAIN
    pattern, marks = SUBDOMAIN, "- or ."
    if kind.name in LABEL_NAMED and not kind.custom:
        pattern, marks, length = LABEL, "-", LONGEST_LABEL
    if kind.name in FREELY_NAMED and not kind.custom:
        if "/" in name or "%" in name:
            yield Problem(path=path, message="must not hold / or %")
    elif not _fits(pattern, name, length):
        yield Problem(path=path, message=_form(marks, length))


def _form(marks: str, length: int) -> str:
    return f"must have at most {length} of a-z, 0-9 and {marks}, and begin and end with a-z or 0-9"


def _fits(pattern: re.Pattern[str], text: str, longest: int) -> bool:
    return len(text) <= longest and pattern.fullmatch(text) is not None


def _selector(plain: Properties) -> Iterator[Problem]:
    """A controller's selector finds its own pods, or the cluster refuses it."""
    spec = plain.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    wanted = _at(spec, "selector", "matchLabels")
    labels = _at(spec, "template", "metadata", "labels")
    if not isinstance(wanted, dict) or labels is UNKNOWN or "template" not in spec:
        return
    for name, value in wanted.items():
        there = labels.get(name) if isinstance(labels, dict) else None
        if there != value and UNKNOWN not in (there, value):
            message = "must have the value that spec.selector.matchLabels asks for"
            yield Problem(path=f'spec.template.metadata.labels["{name}"]', message=message)


def _at(value: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(value, dict):
            return value if value is UNKNOWN else None
        value = value.get(name)
    return value


def _frozen(olds: Properties, news: Properties, kind: Kind) -> Iterator[Problem]:
    """Changes that the cluster will refuse, though no replacement is planned for them."""
    same = ("name", "namespace")
    if not olds or any(_at(olds, "metadata", each) != _at(news, "metadata", each) for each in same):
        return
    for pattern, if_set in kind.frozen.items():
        parts = re.findall(r"[^.\[\]]+|\[\]", pattern)
        for path, before, after in _pairs(olds, news, parts, ""):
            held = not if_set or _at(before, if_set) is not None
            if held and before != after and not is_unknown(after):
                message = f"a {kind.name} keeps it for good; give the object another name"
                yield Problem(path=path, message=message)


def _pairs(old: Any, new: Any, parts: list[str], path: str) -> Iterator[tuple[str, Any, Any]]:
    """The values at a pattern that both sides have."""
    if old is None or new is None or new is UNKNOWN:
        return
    if not parts:
        yield path, old, new
        return
    head, rest = parts[0], parts[1:]
    if head == "[]" and isinstance(old, list) and isinstance(new, list):
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from _pairs(before, after, rest, f"{path}[{index}]")
    elif isinstance(old, dict) and isinstance(new, dict):
        where = f"{path}.{head}" if path else head
        yield from _pairs(old.get(head), new.get(head), rest, where)
