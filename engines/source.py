"""A model that engines are made from: a folder of files, known by their digests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt

from engines import checkpoint, digest, foreign, onnxfile
from engines.beside import PLACE
from engines.shape import Shape
from landfall.errors import IntegrityError, InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.parsing import Written

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
GRAPH = "model.onnx"
TOKENIZER = "tokenizer.json"
CHAT_TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"
EVALUATION = "evaluation.txt"
"""Text that the model was not trained on, for the quality gate."""
EVALUATION_TOKENS = "evaluation.json"
"""The same as lists of token ids, for an encoder whose tokenizer is not read here."""
EVALUATION_ARRAYS = "evaluation.npz"
"""Inputs of a graph, for its quality gate; see `engines.gate.arrays`."""

PARTS = {
    "weights": WEIGHTS,
    "graph": GRAPH,
    "config": CONFIG,
    "tokenizer": TOKENIZER,
    "chat_template": CHAT_TEMPLATE,
    "generation": GENERATION,
    "evaluation": EVALUATION,
}
"""The files of a graph that a build reads, by the name of their part of the key."""

VERSION_LENGTH = 12
"""Digits of the digest that stand for a version where nobody gave one."""

FLOAT_BYTES = 4

Place = Annotated[str, Field(pattern=PLACE)]
FileName = Annotated[str, Field(pattern=r"^[^/.][^/]*$")]
"""Of a file in the model's folder: steps copy by it, so it must lead nowhere else."""

TEXT, EMBEDDING, GRAPHS = "text_generation", "embedding", "onnx_graph"
"""Kinds of engines."""

PADDED_POSITIONS = frozenset({"camembert", "mpnet", "roberta", "xlm-roberta"})
"""Architectures whose positions begin after the padding's own (Hugging Face transformers,
models/roberta/modeling_roberta.py: create_position_ids_from_input_ids)."""


class ModelSource(Written):
    """One version of a model, as plans know it.

    Attributes:
        name: in the registry, or of the folder.
        version: in the registry, or the beginning of the digest.
        files: SHA-256 of every file that a build reads.
        context: the longest text in tokens, prompt and answer together; 0 where there is none.
        graph_bytes: size of the float32 graph; 0 where there is none.
        classification: the highest class of data that it was trained on.
        data_digest: SHA-256 of the training data, or empty where it is not recorded.
        run: of the registry, that holds the version; empty where it came from elsewhere.
        commit: of the code that trained it; empty where it is not recorded.
        form: a graph of ours with what serving needs, a Hugging Face checkpoint, an encoder's graph
            with its tokenizer, or a bare graph.
        shape: of a checkpoint.
        weight_bytes: size of all weights.
        quantised: the recipe that a checkpoint's weights are in already; empty for 16 bit.
        missing: what a build needs and is not there yet, in words.
        token_bytes: that the cache keeps of each token in float32; 0 where that is not known.
        beside: SHA-256 of every file of the draft model and the adapters, by their places in the
            engine and their names.
        beside_bytes: size of all of these.
        operators: domains of operators in a graph that are not ONNX's own.
    """

    name: str
    version: str
    files: dict[FileName, str]
    context: NonNegativeInt
    graph_bytes: NonNegativeInt
    classification: Classification
    data_digest: str = ""
    run: str = ""
    commit: str = ""
    form: Literal["graph", "checkpoint", "encoder", "onnx"] = "graph"
    shape: Shape | None = None
    weight_bytes: NonNegativeInt = 0
    quantised: str = ""
    missing: tuple[str, ...] = ()
    token_bytes: NonNegativeInt = 0
    beside: dict[Place, dict[FileName, str]] = Field(default_factory=dict)
    beside_bytes: NonNegativeInt = 0
    operators: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """One digest over all files."""
        return digest.of_value(self.files)


def read(
    folder: Path,
    *,
    name: str,
    version: str,
    classification: Classification,
    kind: str = TEXT,
    data_digest: str = "",
    remembered: Path | None = None,
) -> ModelSource:
    """Read the model in `folder`; `remembered` keeps digests of files that did not change.

    What must be there follows from the `kind` of engine that is made from it. An empty `version`
    becomes the beginning of the digest.

    Raises:
        InvalidInput: files are missing or wrong, or of a format that engines are not made from;
            all problems at once.
    """
    exported = kind != TEXT and (folder / GRAPH).is_file()  # what it was exported from may lie by
    if not exported and (told := foreign.by_content(folder)):
        raise InvalidInput(str(folder), [Problem(path="", message=told)])
    if kind == GRAPHS:
        read_ = _bare
    elif kind == EMBEDDING:
        read_ = _encoder
    else:
        whole = checkpoint.is_one(folder) and not (folder / GRAPH).exists()
        read_ = _checkpoint if whole else _graph
    found = read_(folder, name, classification, remembered)
    known = {"version": version or found.digest[:VERSION_LENGTH], "data_digest": data_digest}
    return found.model_copy(update=known)


def read_onnx(
    path: Path,
    *,
    name: str,
    version: str,
    classification: Classification,
    kind: str = GRAPHS,
    remembered: Path | None = None,
) -> ModelSource:
    """Read an ONNX file: it must be called model.onnx, as it will be in the engine.

    Raises:
        InvalidInput: it is no ONNX file, or one that cannot be served; all problems at once.
    """
    if path.name != GRAPH:
        message = f"must be called {GRAPH}, not {path.name}"
        raise InvalidInput(str(path), [Problem(path="", message=message)])
    return read(
        path.parent, name=name, version=version, classification=classification, kind=kind,
        remembered=remembered,
    )  # fmt: skip


def planned(name: str, shape: Shape, classification: Classification) -> ModelSource:
    """A model that is not here yet, by the shape that a catalog has: for planning alone."""
    return ModelSource(
        name=name,
        version="",
        files={},
        context=shape.context,
        graph_bytes=0,
        classification=classification,
        form="checkpoint",
        shape=shape,
        missing=("the model's files",),
    )


def _graph(
    folder: Path, name: str, classification: Classification, remembered: Path | None
) -> ModelSource:
    problems = [
        Problem(path=file, message="is missing")
        for file in PARTS.values()
        if not (folder / file).is_file()
    ]
    context = 0
    if (folder / CONFIG).is_file():
        context = _context(folder / CONFIG, problems)
    if problems:
        raise InvalidInput(str(folder), problems)
    digests = digest.of_files((folder / file for file in PARTS.values()), remembered=remembered)
    size = (folder / GRAPH).stat().st_size
    return ModelSource(
        name=name,
        version="",
        files={file: digests[folder / file] for file in PARTS.values()},
        context=context,
        graph_bytes=size,
        weight_bytes=size,
        token_bytes=_token_bytes(folder / CONFIG),
        classification=classification,
    )


def _bare(
    folder: Path, name: str, classification: Classification, remembered: Path | None
) -> ModelSource:
    problems: list[Problem] = []
    graph = _onnx(folder, problems)
    if graph is None or problems:
        raise InvalidInput(str(folder), problems)
    arrays = [EVALUATION_ARRAYS] if (folder / EVALUATION_ARRAYS).is_file() else []
    names = [GRAPH, *graph.beside, *arrays]
    return _of_graph(folder, graph, names, name, classification, remembered, form="onnx")


def _encoder(
    folder: Path, name: str, classification: Classification, remembered: Path | None
) -> ModelSource:
    problems: list[Problem] = []
    graph = _onnx(folder, problems)
    context = 0
    if (folder / CONFIG).is_file():
        context = _encoder_context(folder / CONFIG, problems)
    rows = EVALUATION_TOKENS if (folder / EVALUATION_TOKENS).is_file() else EVALUATION
    for file in (CONFIG, TOKENIZER, rows):
        if not (folder / file).is_file():
            problems.append(Problem(path=file, message="is missing"))
    if graph is None or problems:
        raise InvalidInput(str(folder), problems)
    names = [GRAPH, *graph.beside, CONFIG, TOKENIZER, rows]
    found = _of_graph(folder, graph, names, name, classification, remembered, form="encoder")
    return found.model_copy(update={"context": context})


def _onnx(folder: Path, problems: list[Problem]) -> onnxfile.OnnxFile | None:
    if not (folder / GRAPH).is_file():
        problems.append(Problem(path=GRAPH, message="is missing: export the model to ONNX"))
        return None
    try:
        return onnxfile.read(folder / GRAPH)
    except InvalidInput as error:
        problems += [
            Problem(path=f"{GRAPH}: {each.path}".removesuffix(": "), message=each.message)
            for each in error.problems
        ]
        return None


def _of_graph(
    folder: Path,
    graph: onnxfile.OnnxFile,
    names: Sequence[str],
    name: str,
    classification: Classification,
    remembered: Path | None,
    *,
    form: Literal["encoder", "onnx"],
) -> ModelSource:
    digests = digest.of_files((folder / each for each in names), remembered=remembered)
    return ModelSource(
        name=name,
        version="",
        files={each: digests[folder / each] for each in names},
        context=0,
        graph_bytes=graph.size,
        weight_bytes=graph.size,
        classification=classification,
        form=form,
        operators=graph.operators,
    )


def _checkpoint(
    folder: Path, name: str, classification: Classification, remembered: Path | None
) -> ModelSource:
    found = checkpoint.read(folder)
    digests = digest.of_files((folder / file for file in found.files), remembered=remembered)
    return ModelSource(
        name=name,
        version="",
        files={file: digests[folder / file] for file in found.files},
        context=found.shape.context,
        graph_bytes=0,
        classification=classification,
        form="checkpoint",
        shape=found.shape,
        weight_bytes=found.weight_bytes,
        quantised=found.quantised,
        missing=found.missing,
    )


def verify(folder: Path, source: ModelSource) -> None:
    """Compare the files in `folder` with what the plan was made for.

    Raises:
        IntegrityError: names every file that is missing or differs.
    """
    if wrong := list(differing(folder, source.files)):
        raise IntegrityError(
            f"{folder} is not {source.name} version {source.version}: {'; '.join(wrong)}",
            hint="Fetch the model again; if that does not help, ask who wrote to it.",
        )


def differing(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """What is missing in a folder or has another digest than it should have, in words."""
    for file, wanted in sorted(files.items()):
        if not (folder / file).is_file():
            yield f"{file} is missing"
        elif (found := digest.of_file(folder / file)) != wanted:
            yield f"{file} has digest {found[:12]}, the plan says {wanted[:12]}"


def _context(path: Path, problems: list[Problem]) -> int:
    return _tokens("context", _told(path, problems).get("context"), problems)


def _encoder_context(path: Path, problems: list[Problem]) -> int:
    """Ours is `context`; Hugging Face counts positions."""
    told = _told(path, problems)
    if "context" in told or "max_position_embeddings" not in told:
        return _tokens("context", told.get("context"), problems)
    positions = _tokens("max_position_embeddings", told["max_position_embeddings"], problems)
    padding = told.get("pad_token_id")
    if told.get("model_type") in PADDED_POSITIONS and isinstance(padding, int):
        positions -= padding + 1
    return max(positions, 0)


def _told(path: Path, problems: list[Problem]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        problems.append(Problem(path=CONFIG, message="is not a JSON object"))
        return {"context": 1}  # told once is enough
    return value


def _tokens(key: str, value: object, problems: list[Problem]) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = f"must be the longest text in tokens, not {value!r}"
        problems.append(Problem(path=f"{CONFIG}: {key}", message=message))
        return 0
    return value


def _token_bytes(path: Path) -> int:
    """Of one token: keys and values of every layer and head, in float32."""
    value = json.loads(path.read_text(encoding="utf-8"))
    told = [value.get(name) for name in ("layers", "heads", "head_dim")]
    sizes = [each for each in told if type(each) is int and each > 0]
    return 2 * FLOAT_BYTES * prod(sizes) if len(sizes) == len(told) else 0
