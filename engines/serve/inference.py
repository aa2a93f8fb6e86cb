"""The Open Inference Protocol, version 2, over JSON: any graph's arrays in and out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from engines.graph import DATATYPES, Array, Graph, Tensor, encoded
from engines.serve.requests import BadRequest

Size = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Given(_Strict):
    """An array of a request: its numbers in one list, row by row, or in nested ones."""

    name: str
    shape: list[Size]
    datatype: str
    data: list[Any]


class Wanted(_Strict):
    """An output that a request asks for."""

    name: str


class InferBody(_Strict):
    """POST /v2/models/NAME/infer."""

    id: str | None = None
    inputs: Annotated[list[Given], Field(min_length=1)]
    outputs: list[Wanted] | None = None


def arrays(body: InferBody, graph: Graph) -> dict[str, Array]:
    """The inputs, as the graph takes them.

    Raises:
        BadRequest: with all that does not fit the graph, each with its path.
    """
    known = {each.name: each for each in graph.inputs}
    found: dict[str, Array] = {}
    wrong = []
    for number, given in enumerate(body.inputs):
        where = f"inputs.{number}"
        if given.name not in known:
            wrong.append(f"{where}.name: {_one_of(given.name, known)}")
        elif given.name in found:
            wrong.append(f"{where}.name: {given.name!r} was given before")
        else:
            try:
                found[given.name] = _array(given, known[given.name])
            except ValueError as error:
                wrong.append(f"{where}.{error}")
    missing = known.keys() - {each.name for each in body.inputs}
    wrong += [f"inputs: {name!r} is missing" for name in sorted(missing)]
    outputs = {each.name for each in graph.outputs}
    for number, each in enumerate(body.outputs or []):
        if each.name not in outputs:
            wrong.append(f"outputs.{number}.name: {_one_of(each.name, outputs)}")
    if wrong:
        raise BadRequest("; ".join(wrong), param=wrong[0].split(":")[0])
    return found


def answer(
    body: InferBody, graph: Graph, inputs: dict[str, Array], *, model: str, version: str
) -> dict[str, object]:
    """What the graph gives, in the protocol's form.

    Raises:
        BadRequest: the graph does not take these arrays together, or its numbers are not finite.
    """
    names = [each.name for each in body.outputs or graph.outputs]
    try:
        outputs = graph.run(inputs, names)
    except ValueError:
        # What the tool says may quote the arrays.
        raise BadRequest("the graph does not take these arrays together", param="inputs") from None
    found = [_written(name, array) for name, array in zip(names, outputs, strict=True)]
    head = {} if body.id is None else {"id": body.id}
    return {**head, "model_name": model, "model_version": version, "outputs": found}


def described(tensor: Tensor) -> dict[str, object]:
    """An input or output, as the protocol has it; a free length is -1."""
    shape = [-1 if size is None else size for size in tensor.shape]
    return {"name": tensor.name, "datatype": DATATYPES[tensor.dtype], "shape": shape}


def _array(given: Given, tensor: Tensor) -> Array:
    wanted = DATATYPES[tensor.dtype]
    if given.datatype != wanted:
        raise ValueError(f"datatype: must be {wanted}")
    fits = len(given.shape) == len(tensor.shape) and all(
        size in {None, length} for size, length in zip(tensor.shape, given.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"shape: must be {described(tensor)['shape']}, not {given.shape}")
    flat = _flat(given.data)
    if len(flat) != math.prod(given.shape):
        message = f"data: {given.shape} has {math.prod(given.shape)} values, not {len(flat)}"
        raise ValueError(message)
    if not all(_is(each, tensor.dtype) for each in flat):
        raise ValueError(f"data: not all are values of {wanted}")
    try:
        return np.array(flat, dtype=tensor.dtype).reshape(given.shape)
    except OverflowError:
        raise ValueError(f"data: not all are values of {wanted}") from None


def _flat(data: Sequence[Any]) -> list[Any]:
    if not any(isinstance(each, list) for each in data):
        return list(data)
    return [value for each in data for value in (_flat(each) if isinstance(each, list) else [each])]


def _is(value: Any, dtype: str) -> bool:
    if dtype == "object":
        return isinstance(value, str)
    if dtype == "bool" or isinstance(value, bool):
        return dtype == "bool" and isinstance(value, bool)
    return isinstance(value, int) or (dtype.startswith("float") and isinstance(value, float))


def _written(name: str, array: Array) -> dict[str, object]:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        message = f"{name}: the model's numbers are not finite"
        raise BadRequest(message, status=500, kind="server_error")
    return encoded(name, array)


def _one_of(name: str, known: Any) -> str:
    return f"there is no {name!r}; there are: {', '.join(sorted(known))}"
