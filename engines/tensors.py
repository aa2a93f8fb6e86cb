"""Safetensors files, checked without reading their numbers: the header tells all that is in them.

A file is 8 bytes of length (little endian), a header of JSON, and the numbers of all tensors one
after the other (Hugging Face safetensors, README: format).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from landfall.errors import Problem

LENGTH = 8
LONGEST_HEADER = 100_000_000
"""Bytes; the format's own bound."""
METADATA = "__metadata__"

BITS: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
    "F4": 4,
}
"""Of one number, by the format's names of types."""


def problems(path: Path) -> Iterator[Problem]:
    """What is wrong with a file: truncated, altered, or none of this format; names the tensor."""
    header, start, wrong = _header(path)
    if wrong:
        yield Problem(path=path.name, message=wrong)
        return
    size = path.stat().st_size - start
    spans = []
    for name, told in header.items():
        span, wrong = _span(told)
        where = f"{path.name}: {name}"
        if wrong:
            yield Problem(path=where, message=wrong)
        elif span[1] > size:
            message = f"ends at byte {start + span[1]}, the file at {start + size}: it is truncated"
            yield Problem(path=where, message=message)
        spans.append((*span, name))
    yield from _gaps(path, sorted(spans), size)


def names(path: Path) -> set[str]:
    """The tensors of a file that `problems` has nothing against."""
    return set(_header(path)[0])


def _header(path: Path) -> tuple[dict[str, Any], int, str]:
    """The header, where the numbers begin, and what is wrong."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH), "little")
        text = stream.read(length) if 0 < length <= LONGEST_HEADER else b""
    if len(text) < length or not text:
        return {}, 0, "has no whole header: it is truncated, or no safetensors file"
    try:
        value = json.loads(text)
    except ValueError as error:
        return {}, 0, f"its header is not JSON, so it was altered: {error}"
    if not isinstance(value, dict):
        return {}, 0, "its header is no JSON object, so it was altered"
    value.pop(METADATA, None)
    return value, LENGTH + length, ""


def _span(told: Any) -> tuple[tuple[int, int], str]:
    """First and last byte of a tensor, and what is wrong with its entry."""
    try:
        first, last = told["data_offsets"]
        kind, shape = told["dtype"], told["shape"]
        counts = [first, last, *shape]
    except (TypeError, KeyError, ValueError):
        return (0, 0), "its entry has no type, shape and offsets, so it was altered"
    if not all(type(each) is int and each >= 0 for each in counts):
        return (0, 0), "its shape or offsets are no whole numbers, so it was altered"
    if kind not in BITS:
        return (first, last), f"has numbers of a type that is not known here: {kind!r}"
    wanted = -(-prod(shape) * BITS[kind] // 8)
    if last - first != wanted:
        message = f"of shape {shape} in {kind} takes {wanted} bytes, not {last - first}"
        return (first, last), f"{message}: the header was altered"
    return (first, last), ""


def _gaps(path: Path, spans: list[tuple[int, int, str]], size: int) -> Iterator[Problem]:
    """Tensors lie one after the other, and nothing else is in the file."""
    end = 0
    for first, last, name in spans:
        if first != end:
            message = f"begins at offset {first}, where {end} was expected: the header was altered"
            yield Problem(path=f"{path.name}: {name}", message=message)
        end = max(end, last)
    if spans and end < size:
        message = f"has {size - end} bytes after its last tensor, {spans[-1][2]}: it was altered"
        yield Problem(path=path.name, message=message)
