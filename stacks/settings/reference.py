"""`python -m stacks.settings.reference`: every key of the configuration, as docs/configuration.md.

What a key means stands once, in the docstring of its class, below `Attributes:`.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stacks.settings.whole import Settings


class Row(NamedTuple):
    """One key: where it stands, what holds without it, what it means."""

    path: str
    default: str
    what: str


def rows() -> Iterator[Row]:
    """Every key, and below each group its own; a group that comes again is told once."""
    yield from _rows(Settings, "", {})


def _rows(model: type[BaseModel], start: str, told: dict[type[BaseModel], str]) -> Iterator[Row]:
    meanings = attributes(model)
    for name, info in model.model_fields.items():
        path = f"{start}{info.alias or name}"
        only = typing.get_args(info.annotation) if _is_one_word(info.annotation) else ()
        what = meanings.get(name, "") or (_sentence(model) if only else "")
        yield Row(path, only[0] if only else _default(info), what)
        for mark, each in _models(info.annotation):
            below = f"{path}{mark}"
            if each in told:
                yield Row(below, "", f"as `{told[each]}`")
                continue
            told[each] = below
            yield from _rows(each, f"{below}.", told)


def _is_one_word(annotation: Any) -> bool:
    """Whether a key has one value: the word that tells one kind of group from another."""
    return typing.get_origin(annotation) is typing.Literal and len(typing.get_args(annotation)) == 1


def _sentence(model: type[BaseModel]) -> str:
    return (inspect.getdoc(model) or "").partition("\n")[0]


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a class says of each attribute, on one line each."""
    text = inspect.getdoc(model) or ""
    listed = text.partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", listed, re.M)
    return {name: " ".join(meaning.split()) for name, meaning in found}


def table() -> str:
    """The keys as a Markdown table."""
    lines = ["| key | default | what |", "|---|---|---|"]
    lines += [f"| `{row.path}` | {row.default} | {row.what} |" for row in rows()]
    return "\n".join(lines) + "\n"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.default
    if value is PydanticUndefined or isinstance(value, BaseModel) or value in (None, (), "", {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(str(each) for each in value) if isinstance(value, tuple) else str(value)


def _models(annotation: Any, mark: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The groups below a key: `[]` for each of a list, `<name>` for each of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield mark, annotation
        return
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated or origin in (typing.Union, types.UnionType):
        for each in parts if origin is not typing.Annotated else parts[:1]:
            yield from _models(each, mark)
    elif origin is tuple:
        yield from _models(parts[0], f"{mark}[]")
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield from _models(parts[1], f"{mark}.<name>")


if __name__ == "__main__":
    print(table(), end="")
