"""Whether inputs fit the SDK's signatures: every problem at once, each with its path."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from landfall.errors import Problem
from stacks.offline.schema import Field, Shape
from stacks.offline.wire import SIGNATURE_KEY, UNKNOWN, Properties, Secret

INTERNAL_KEYS = frozenset({"__defaults", "__internal"})
"""Keys of the engine and of bridged providers; no person writes them."""

NEAR = 0.6
"""How alike two names must be for one to be offered in place of the other (difflib's default)."""

WORDS: Mapping[str, str] = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list",
    "map": "a map",
    "object": "an object",
    "asset": "an asset or an archive",
}


def problems(
    inputs: Properties, fields: Mapping[str, Field], *, free: Iterable[str] = ()
) -> list[Problem]:
    """What is wrong with the inputs of a resource. `free` names properties that take anything."""
    skipped = INTERNAL_KEYS | frozenset(free)
    return list(_object(inputs, fields, "", skipped))


def meant(name: str, names: Iterable[str]) -> str:
    """The hint for a name that does not exist: the nearest one that does, or nothing."""
    known = list(names)
    spellings = (_camel(name), name)
    for spelling in spellings:
        if spelling in known:
            return f"; did you mean {spelling}?"
    near = difflib.get_close_matches(_camel(name), known, n=1, cutoff=NEAR)
    return f"; did you mean {near[0]}?" if near else ""


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _object(
    given: Mapping[str, Any], fields: Mapping[str, Field], path: str, skipped: frozenset[str]
) -> Iterator[Problem]:
    for name, value in given.items():
        if name in skipped or value is None:
            continue
        where = f"{path}.{name}" if path else name
        field = fields.get(name)
        if field is None:
            yield Problem(path=where, message=f"no such property{meant(name, fields)}")
        else:
            yield from _value(value, field.shape, where)
    for name, field in fields.items():
        if field.required and name not in skipped and given.get(name) is None:
            where = f"{path}.{name}" if path else name
            yield Problem(path=where, message=f"missing; it must be {_wanted(field.shape)}")


def _value(value: Any, shape: Shape, path: str) -> Iterator[Problem]:
    if isinstance(value, Secret):
        value = value.value
    if value is None or value is UNKNOWN or shape.kind == "any":
        return
    if shape.kind == "choice":
        found = [list(_value(value, each, path)) for each in shape.choices]
        if all(found):
            yield min(found, key=len)[0]
    elif not _fits(value, shape):
        yield Problem(path=path, message=f"must be {_wanted(shape)}, not {_given(value)}")
    elif shape.kind == "object":
        yield from _object(value, shape.fields, path, INTERNAL_KEYS)
    elif shape.element is not None:
        yield from _elements(value, shape.element, path)


def _elements(value: Any, element: Shape, path: str) -> Iterator[Problem]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in pairs:
        where = f"{path}[{key}]" if isinstance(key, int) else f'{path}["{key}"]'
        yield from _value(each, element, where)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "list": (list,),
}


def _fits(value: Any, shape: Shape) -> bool:
    if shape.kind == "asset":
        return isinstance(value, dict) and SIGNATURE_KEY in value
    types = _TYPES.get(shape.kind, (dict,))
    return type(value) in types  # not isinstance: a boolean is no number


def _wanted(shape: Shape) -> str:
    if shape.kind == "choice":
        return " or ".join(_wanted(each) for each in shape.choices)
    return WORDS.get(shape.kind, "a value")


def _given(value: Any) -> str:
    """The kind of the value. Never the value itself: it may be a secret."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    words: Mapping[type, str] = {str: "a string", list: "a list", dict: "an object"}
    return words.get(type(value), "this")
