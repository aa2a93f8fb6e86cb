"""Which properties a resource type has, read from the SDK's own signatures.

`pulumi_aws` describes every input in an `...Args` class (required or not, type, nested classes)
and every output in a getter of the resource class. Nothing here is typed by hand, so the answers
are those of the installed SDK. Modules of the SDK are imported when a type of theirs is asked for,
not before: importing all of them takes a minute.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import typing
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pulumi
from pulumi.runtime import rpc

PACKAGE = "aws"

Kind = typing.Literal[
    "string", "integer", "number", "boolean", "list", "map", "object", "asset", "choice", "any"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The type of a property.

    `element` is the element of a list or a map, `fields_of` the class of an object, `choices` the
    shapes of which one must fit.
    """

    kind: Kind
    element: Shape | None = None
    fields_of: type | None = None
    choices: tuple[Shape, ...] = ()

    @property
    def fields(self) -> Mapping[str, Field]:
        """The properties of an object."""
        return {} if self.fields_of is None else fields(self.fields_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property: its Pulumi name, its type, and whether it may be left out."""

    name: str
    shape: Shape
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSchema:
    """What a resource takes and what it gives. In `outputs`, `required` means never null."""

    token: str
    inputs: Mapping[str, Field]
    outputs: Mapping[str, Field]


class UnknownType(LookupError):
    """The SDK has no resource type of this name."""


@cache
def resource(token: str) -> ResourceSchema:
    """The schema of a resource type such as `aws:ec2/vpc:Vpc`.

    Raises:
        UnknownType: the installed SDK has no such type.
    """
    module = _module(token)
    name = tokens().get(token)
    if module is None or name is None:
        raise UnknownType(token)
    kind = getattr(importlib.import_module(module), name)
    return _schema(token, kind)


@cache
def provider() -> ResourceSchema:
    """The schema of the provider's own configuration."""
    return _schema("pulumi:providers:aws", importlib.import_module("pulumi_aws").Provider)


@cache
def tokens() -> Mapping[str, str]:
    """Every resource type of the SDK, with the name of its class."""
    importlib.import_module("pulumi_aws")
    found: dict[str, str] = {}
    for modules in rpc._RESOURCE_MODULES.values():
        for module in modules:
            info: Mapping[str, Any] = getattr(module, "mod_info", {})
            if info.get("pkg") == PACKAGE:
                found.update(info["classes"])
    return found


def _module(token: str) -> str | None:
    importlib.import_module("pulumi_aws")
    package, _, rest = token.partition(":")
    module = rpc.get_resource_module(package, rest.partition(":")[0], "")
    info: Mapping[str, Any] = getattr(module, "mod_info", {})
    return info.get("fqn")


def _schema(token: str, kind: type) -> ResourceSchema:
    args = _args_class(kind)
    return ResourceSchema(token=token, inputs=fields(args), outputs=fields(kind))


def _args_class(kind: type) -> type:
    """The class of a resource's arguments, from the overload that takes one object."""
    for overload in typing.get_overloads(kind.__init__):  # type: ignore[misc]
        annotation = overload.__annotations__.get("args")
        if annotation is not None:
            found = _meaning(annotation, overload.__globals__)
            if found.fields_of is not None:
                return found.fields_of
    raise UnknownType(f"{kind.__qualname__} has no class of arguments")


@cache
def fields(kind: type) -> Mapping[str, Field]:
    """The properties of one class of the SDK, by Pulumi name."""
    optional = getattr(kind.__init__, "__kwdefaults__", None) or {}  # type: ignore[misc]
    is_resource = issubclass(kind, pulumi.CustomResource)
    found: dict[str, Field] = {}
    for python_name, member in vars(kind).items():
        getter = getattr(member, "fget", None)
        name = getattr(getter, "_pulumi_name", None)
        if getter is None or name is None:
            continue
        getter = inspect.unwrap(getter)  # deprecated properties are wrapped
        annotation = getter.__annotations__["return"]
        found[name] = Field(
            name=name,
            shape=_meaning(annotation, getter.__globals__),
            required=not _nullable(annotation) if is_resource else python_name not in optional,
        )
    return found


_PLAIN: Mapping[Any, Kind] = {
    str: "string", int: "integer", float: "number", bool: "boolean", Any: "any",
}  # fmt: skip


def _meaning(annotation: Any, scope: Mapping[str, Any]) -> Shape:
    """The shape that a type hint of the SDK describes."""
    if isinstance(annotation, str | typing.ForwardRef):
        return _meaning(_resolve(annotation, scope), scope)
    if annotation in _PLAIN:
        return Shape(kind=_PLAIN[annotation])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        return _union(arguments, scope)
    if origin is pulumi.Output:
        return _meaning(arguments[0], scope)
    return _collection(origin, arguments, scope) or _class(annotation)


def _collection(origin: Any, arguments: Sequence[Any], scope: Mapping[str, Any]) -> Shape | None:
    if not isinstance(origin, type) or not issubclass(origin, Mapping | Sequence):
        return None
    kind: Kind = "map" if issubclass(origin, Mapping) else "list"
    return Shape(kind=kind, element=_meaning(arguments[-1], scope))


def _class(annotation: Any) -> Shape:
    if not isinstance(annotation, type):
        return Shape(kind="any")
    if issubclass(annotation, enum.Enum):
        number = issubclass(annotation, int | float)
        return Shape(kind="number" if number else "string")
    if issubclass(annotation, pulumi.Asset | pulumi.Archive):
        return Shape(kind="asset")
    return Shape(kind="object", fields_of=annotation)


def _union(arguments: Sequence[Any], scope: Mapping[str, Any]) -> Shape:
    shapes = {_meaning(each, scope) for each in arguments if not _wrapper(each)}
    if len(shapes) == 1:
        return shapes.pop()
    return Shape(kind="choice", choices=tuple(sorted(shapes, key=lambda shape: shape.kind)))


def _wrapper(argument: Any) -> bool:
    """Whether this part of a union only says that a value may come later or not at all."""
    if argument is type(None):
        return True
    if isinstance(argument, typing.ForwardRef):
        return argument.__forward_arg__.startswith("Output[")
    return typing.get_origin(argument) in {Awaitable, pulumi.Output}


def _nullable(annotation: Any) -> bool:
    if typing.get_origin(annotation) is pulumi.Output:
        annotation = typing.get_args(annotation)[0]
    return type(None) in typing.get_args(annotation)


def _resolve(reference: str | typing.ForwardRef, scope: Mapping[str, Any]) -> Any:
    """The class that a forward reference such as `outputs.Thing` names in its own module."""
    text = reference if isinstance(reference, str) else reference.__forward_arg__
    first, *rest = text.split(".")
    found = scope[first]
    for part in rest:
        found = getattr(found, part)
    return found
