"""From files that people write to frozen types: every problem at once, each with its path."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from landfall.errors import InvalidInput, Problem

Parsed = TypeVar("Parsed", bound=BaseModel)


class Written(BaseModel):
    """The base of everything that is read from a file: frozen, strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        InvalidInput: there is no such file, or it is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidInput(str(path), [Problem(path="", message="no such file")]) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        text = str(getattr(error, "problem", None) or error)
        raise InvalidInput(str(path), [Problem(path=where, message=f"not YAML: {text}")]) from error


def parse(kind: type[Parsed], value: object, *, source: str, root: str = "") -> Parsed:
    """`value` as a `kind`.

    Args:
        kind: the type wanted.
        value: plain data, as read from YAML or JSON.
        source: the file that it came from, for the message.
        root: the path of `value` in that file.

    Raises:
        InvalidInput: with all problems, each with its path.
    """
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise InvalidInput(source, problems_of(error, kind, root)) from error


def problems_of(error: ValidationError, kind: type[BaseModel], root: str = "") -> list[Problem]:
    """What pydantic found, in our words, with a suggestion for an unknown key."""
    found = []
    errors = error.errors()
    for each in errors:
        # An item that is wrong is also missing from its list's length: one problem, not two.
        if each["type"] == "too_short" and any(_below(each["loc"], e["loc"]) for e in errors):
            continue
        location = [str(part) for part in each["loc"]]
        path = ".".join([*([root] if root else []), *location])
        match each["type"]:
            case "extra_forbidden":
                message = f"unknown key{_suggest(location, kind)}"
            case "missing":
                message = "required, but not given"
            case "value_error":
                message = str(each["ctx"]["error"])
            case _:
                message = f"{each['msg'].removeprefix('Input ').strip()}, not {each['input']!r}"
        found.append(Problem(path=path, message=message))
    return found


def _below(outer: tuple[int | str, ...], inner: tuple[int | str, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _suggest(location: list[str], kind: type[BaseModel]) -> str:
    known = _keys_at(location[:-1], kind)
    close = difflib.get_close_matches(location[-1], known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(sorted(known))}" if known else ""


def _keys_at(location: list[str], kind: type[BaseModel]) -> list[str]:
    current: Any = kind
    for part in location:
        if part.isdigit():
            continue
        field = getattr(current, "model_fields", {}).get(part)
        current = _model_in(field.annotation) if field is not None else None
        if current is None:
            return []
    return [info.alias or name for name, info in getattr(current, "model_fields", {}).items()]


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for each in getattr(annotation, "__args__", ()):
        found = _model_in(each)
        if found is not None:
            return found
    return None
