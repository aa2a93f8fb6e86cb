"""Property values as the engine sends them, and as the rest of this package sees them.

On the wire everything is a protobuf `Struct`. Unknown values are one magic string, secrets are
objects with a magic key. Here an unknown value is `UNKNOWN`, a secret is `Secret(value)`, and all
else is plain Python. Numbers without a fraction become `int`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

Properties = dict[str, Any]
"""The inputs or the outputs of one resource, by Pulumi name."""

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105  a type tag, not a secret
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""pulumi.runtime.rpc.UNKNOWN: the string that stands for an unknown value."""


class Unknown:
    """The type of `UNKNOWN`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""A value that is only known after the resource that it comes from has been made."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that the engine must encrypt in its state and hide in its display."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


def decode(message: struct_pb2.Struct) -> Properties:
    """The properties in a message from the engine."""
    return {name: _decode(value) for name, value in message.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        plain = decode(value.struct_value)
        secret = plain.get(SIGNATURE_KEY) == SECRET_SIGNATURE
        return Secret(plain.get("value")) if secret else plain
    if kind == "list_value":
        return [_decode(each) for each in value.list_value.values]
    if kind == "number_value":
        number = float(value.number_value)
        return int(number) if number.is_integer() else number
    found = None if kind in {None, "null_value"} else getattr(value, kind)
    return UNKNOWN if found == UNKNOWN_TEXT else found


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """A message to the engine with these properties; None values are left out."""
    message = struct_pb2.Struct()
    for name, value in properties.items():
        if value is not None:
            _encode(value, message.fields[name])
    return message


def _encode(value: Any, into: struct_pb2.Value) -> None:
    if value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        into.string_value = UNKNOWN_TEXT
    elif isinstance(value, Secret):
        _encode({SIGNATURE_KEY: SECRET_SIGNATURE, "value": value.value}, into)
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int | float):
        into.number_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, Mapping):
        into.struct_value.SetInParent()
        for name, each in value.items():
            _encode(each, into.struct_value.fields[name])
    else:
        into.list_value.SetInParent()
        for each in value:
            _encode(each, into.list_value.values.add())


def reveal(value: Any) -> Any:
    """The same value with every `Secret` opened. Unknown values stay unknown."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, dict):
        return {name: reveal(each) for name, each in value.items()}
    if isinstance(value, list):
        return [reveal(each) for each in value]
    return value


def holds(value: Any, test: Callable[[Any], bool]) -> bool:
    """Whether `test` is true of the value or of anything inside it."""
    if test(value):
        return True
    if isinstance(value, Secret):
        return holds(value.value, test)
    if isinstance(value, dict):
        return any(holds(each, test) for each in value.values())
    return isinstance(value, list) and any(holds(each, test) for each in value)


def is_unknown(value: Any) -> bool:
    """Whether the value, or anything inside it, is not known yet."""
    return holds(value, lambda each: each is UNKNOWN)


def is_secret(value: Any) -> bool:
    """Whether the value, or anything inside it, is secret."""
    return holds(value, lambda each: isinstance(each, Secret))
