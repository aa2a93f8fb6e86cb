"""An ONNX file, checked without reading its weights: version, operators, where its numbers lie.

Nothing of it is run. What a tool cannot load, or what leads out of the model's folder, is told
before anything is planned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landfall.errors import InvalidInput, Problem

OLDEST_OPSET, NEWEST_OPSET = 7, 26
"""What ONNX Runtime 1.31 guarantees, and the newest that it loads; tried, 27 is refused."""
NEWEST_IR = 13
"""The newest version of the format that ONNX Runtime 1.31 loads; tried, 14 is refused."""
LARGEST = 2**31 - 1
"""Bytes of a protobuf message; larger weights lie in files beside it."""

ONNX_START = b"\x08"
"""A protobuf of ONNX begins with field 1, a varint: the version of the format."""

STANDARD = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operators of ONNX itself; all others are somebody's own."""
QUANTISED = frozenset(
    {
        "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul",
        "MatMulInteger", "MatMulNBits", "QAttention", "QLinearConv", "QLinearMatMul",
        "QuantizeLinear",
    }
)  # fmt: skip
"""Operators that say that somebody made numbers smaller before (ONNX and ONNX Runtime's own)."""
NARROW = ("FLOAT16", "BFLOAT16")


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """What a file says of itself.

    Attributes:
        opset: of the standard operators.
        operators: domains of operators that are not ONNX's own.
        beside: files that hold its weights, by their paths from its folder.
        size: of the file and of these, in bytes.
    """

    opset: int
    operators: tuple[str, ...]
    beside: tuple[str, ...]
    size: int


def read(path: Path) -> OnnxFile:
    """Read and check a file; its external weights are looked for, not read.

    Raises:
        InvalidInput: it is no ONNX file, or one that cannot be served; all problems at once.
    """
    model, told = _parsed(path)
    if model is None:
        raise InvalidInput(str(path), [Problem(path="", message=told)])
    nodes = list(_nodes(model))
    beside, problems = _beside(path.parent, model)
    problems = [*_versions(model), *_numbers(model, nodes), *problems]
    if problems:
        raise InvalidInput(str(path), problems)
    own = {(each.domain, each.name) for each in model.functions}
    foreign = {
        each.domain
        for each in nodes
        if each.domain not in STANDARD and (each.domain, each.op_type) not in own
    }
    return OnnxFile(
        opset=_opset(model),
        operators=tuple(sorted(foreign)),
        beside=beside,
        size=sum((path.parent / name).stat().st_size for name in (path.name, *beside)),
    )


def _parsed(path: Path) -> tuple[Any, str]:
    """The model without external weights, or why there is none."""
    size = path.stat().st_size
    if size > LARGEST:
        return None, f"has {size} bytes, more than 2 GiB: export its weights as external data"
    with path.open("rb") as stream:
        start = stream.read(2)
    if len(start) < len(ONNX_START) + 1 or start[:1] != ONNX_START:
        return None, "is no ONNX file"
    import onnx

    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf has several classes in several versions
        return None, "is no whole ONNX file: it is truncated or altered"
    if not model.graph.output:
        return None, "is no ONNX model: its graph has no output"
    return model, ""


def _versions(model: Any) -> Iterator[Problem]:
    opset = _opset(model)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        message = f"must be {OLDEST_OPSET} to {NEWEST_OPSET}, not {opset}; export it again"
        yield Problem(path="opset", message=message)
    if model.ir_version > NEWEST_IR:
        message = f"must be at most {NEWEST_IR}, not {model.ir_version}; export it again"
        yield Problem(path="ir_version", message=message)


def _numbers(model: Any, nodes: list[Any]) -> Iterator[Problem]:
    """Engines are compared with the float32 model, so that is what must come."""
    import onnx

    bring = "bring the float32 model, so that what is lost can be measured"
    if found := sorted({each.op_type for each in nodes} & QUANTISED):
        yield Problem(path="graph", message=f"is quantised already ({', '.join(found)}): {bring}")
    narrow = {getattr(onnx.TensorProto, name): name.lower() for name in NARROW}
    if kinds := sorted({narrow[each.data_type] for each in _tensors(model)
                        if each.data_type in narrow}):  # fmt: skip
        yield Problem(path="graph", message=f"has weights in {', '.join(kinds)}: {bring}")


def _beside(folder: Path, model: Any) -> tuple[tuple[str, ...], list[Problem]]:
    """The files of external weights: inside the folder, there, and long enough."""
    ends: dict[str, int] = {}
    for each in _tensors(model):
        told = {entry.key: entry.value for entry in each.external_data}
        if told:
            end = _whole(told.get("offset")) + _whole(told.get("length"))
            name = told.get("location", "")
            ends[name] = max(ends.get(name, 0), end)
    problems = []
    for name, end in sorted(ends.items()):
        where = folder / name
        if name[:1] in {"", "."} or Path(name).name != name or where.is_symlink():
            message = f"{name!r} must be a plain file beside the model"
            problems.append(Problem(path="external data", message=message))
        elif not where.is_file():
            problems.append(Problem(path=name, message="is missing; the graph's weights lie in it"))
        elif (size := where.stat().st_size) < end:
            message = f"has {size} bytes, the graph's weights end at {end}: it is truncated"
            problems.append(Problem(path=name, message=message))
    return tuple(sorted(ends)), problems


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def _opset(model: Any) -> int:
    return next((each.version for each in model.opset_import if each.domain in {"", "ai.onnx"}), 0)


def _graphs(model: Any) -> Iterator[Any]:
    """The graph and those inside its loops and branches."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for each in node.attribute:
                waiting += [each.g] if each.HasField("g") else []
                waiting += each.graphs


def _nodes(model: Any) -> Iterator[Any]:
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _tensors(model: Any) -> Iterator[Any]:
    for graph in _graphs(model):
        yield from graph.initializer
    for node in _nodes(model):
        yield from (each.t for each in node.attribute if each.HasField("t"))
