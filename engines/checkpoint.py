"""A Hugging Face folder: config.json, safetensors with their index, tokenizer and settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import shape, tensors
from engines.shape import Shape
from landfall.errors import InvalidInput, Problem

CONFIG = "config.json"
WEIGHTS = "*.safetensors"
INDEX = "model.safetensors.index.json"
QUANTISATION = "hf_quant_config.json"
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
"""One of them at least; tokenizer.json of the fast tokenizers, the others of older ones."""
TOKENIZER = (
    *TOKENIZERS, "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
TEMPLATES = ("chat_template.jinja", "chat_template.json")
GENERATION = "generation_config.json"
EVALUATION = "evaluation.txt"
"""Text that the model was not trained on, for the gates. A folder may be without it."""

BY_MODELOPT: Mapping[str, str] = {
    "FP8": "fp8",
    "FP8_BLOCK_SCALES": "fp8_block",
    "NVFP4": "nvfp4",
    "W4A16_AWQ": "int4_awq",
    "W4A8_AWQ": "w4a8_awq",
    "W8A8_SQ_PER_CHANNEL": "int8_sq",
}
"""ModelOpt's names (TensorRT-LLM quantization/mode.py: quant_algo) as ours."""

BY_METHOD: Mapping[str, str] = {"awq": "int4_awq", "gptq": "int4_gptq", "mxfp4": "mxfp4"}
"""config.json's quantization_config.quant_method as ours; fp8 has two forms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a folder holds.

    Attributes:
        files: that a build reads, in order.
        weight_bytes: size of all weights.
        quantised: the recipe that they are in, or empty for 16 bit.
        missing: what a build needs and is not there, in words.
    """

    files: tuple[str, ...]
    shape: Shape
    weight_bytes: int
    quantised: str
    missing: tuple[str, ...]


def is_one(folder: Path) -> bool:
    """Whether the config.json in `folder` is one of Hugging Face's, which name an architecture."""
    try:
        return "model_type" in json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def read(folder: Path) -> Checkpoint:
    """Read and check a folder. Only headers of weights are read; what is not there is told.

    Raises:
        InvalidInput: what is there is wrong; all problems at once, each with file and tensor.
    """
    problems: list[Problem] = []
    config = _json(folder / CONFIG, problems)
    found: Shape | None = None
    try:
        found = shape.read(config, source=CONFIG)
    except InvalidInput as error:
        where = f"{CONFIG}: "
        problems += [
            Problem(path=where + each.path, message=each.message) for each in error.problems
        ]
    weights = sorted(path.name for path in folder.glob(WEIGHTS))
    problems += _weight_problems(folder, weights)
    quantised = _quantised(folder, config, problems)
    if problems or found is None:
        raise InvalidInput(str(folder), problems)
    there = [name for name in _all(weights) if (folder / name).is_file()]
    return Checkpoint(
        files=tuple(there),
        shape=found,
        weight_bytes=sum((folder / name).stat().st_size for name in weights),
        quantised=quantised,
        missing=tuple(_missing(weights, there)),
    )


def _all(weights: list[str]) -> Iterator[str]:
    yield CONFIG
    yield from weights
    yield from (INDEX, QUANTISATION, *TOKENIZER, *TEMPLATES, GENERATION, EVALUATION)


def _missing(weights: list[str], there: list[str]) -> Iterator[str]:
    if not weights:
        yield "the weights: *.safetensors"
    if not any(name in there for name in TOKENIZERS):
        yield f"the tokenizer: one of {', '.join(TOKENIZERS)}"


def _weight_problems(folder: Path, weights: list[str]) -> Iterator[Problem]:
    wrong = False
    for name in weights:
        for problem in tensors.problems(folder / name):
            wrong = True
            yield problem
    if (folder / INDEX).is_file():
        if not wrong:
            yield from _index_problems(folder, weights)
    elif len(weights) > 1:
        yield Problem(path=INDEX, message=f"is missing, with weights in {len(weights)} files")


def _index_problems(folder: Path, weights: list[str]) -> Iterator[Problem]:
    found: list[Problem] = []
    told = _json(folder / INDEX, found).get("weight_map", {})
    yield from found
    wanted: dict[str, set[str]] = {}
    for tensor, name in told.items():
        wanted.setdefault(str(name), set()).add(str(tensor))
    for name in sorted(wanted):
        if name not in weights:
            message = f"is missing; {INDEX} has {len(wanted[name])} tensors in it"
            yield Problem(path=name, message=message)
            continue
        there = tensors.names(folder / name)
        for tensor in sorted(wanted[name] - there):
            yield Problem(path=f"{name}: {tensor}", message=f"is missing; {INDEX} names it")
        for tensor in sorted(there - wanted[name]):
            yield Problem(path=f"{name}: {tensor}", message=f"is not in {INDEX}")


def _quantised(folder: Path, config: Mapping[str, Any], problems: list[Problem]) -> str:
    """The recipe of the weights by what the folder says of itself."""
    if (folder / QUANTISATION).is_file():
        told = _json(folder / QUANTISATION, problems).get("quantization", {})
        algorithm = str(told.get("quant_algo") or "") if isinstance(told, dict) else "?"
        if not algorithm or algorithm in BY_MODELOPT:
            return BY_MODELOPT.get(algorithm, "")
        problems.append(Problem(path=QUANTISATION, message=f"{algorithm!r} is not known here"))
        return ""
    told = config.get("quantization_config") or {}
    method = str(told.get("quant_method", "")) if isinstance(told, dict) else "?"
    if method == "fp8":
        return "fp8_block" if told.get("weight_block_size") else "fp8"
    if not method or method in BY_METHOD:
        return BY_METHOD.get(method, "")
    where = f"{CONFIG}: quantization_config"
    problems.append(Problem(path=where, message=f"{method!r} is not known here"))
    return ""


def _json(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(Problem(path=path.name, message=f"cannot be read: {error}"))
        return {}
    if not isinstance(value, dict):
        problems.append(Problem(path=path.name, message="is no JSON object"))
        return {}
    return value
