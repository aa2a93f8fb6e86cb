"""A model as it leaves the registry: a folder of files, known by their digests."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import PositiveInt

from engines import digest
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

PARTS = {
    "weights": WEIGHTS,
    "graph": GRAPH,
    "config": CONFIG,
    "tokenizer": TOKENIZER,
    "chat_template": CHAT_TEMPLATE,
    "generation": GENERATION,
    "evaluation": EVALUATION,
}
"""The files that a build reads, by the name of their part of the key."""


class ModelSource(Written):
    """One version of a model, as plans know it.

    Attributes:
        name: in the registry.
        version: in the registry.
        files: SHA-256 of every file that a build reads.
        context: the longest text in tokens, prompt and answer together.
        graph_bytes: size of the float32 graph.
        classification: the highest class of data that it was trained on.
        data_digest: SHA-256 of the training data, or empty where it is not recorded.
    """

    name: str
    version: str
    files: dict[str, str]
    context: PositiveInt
    graph_bytes: PositiveInt
    classification: Classification
    data_digest: str = ""

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
    data_digest: str = "",
    remembered: Path | None = None,
) -> ModelSource:
    """Read the model in `folder`; `remembered` keeps digests of files that did not change.

    Raises:
        InvalidInput: files are missing, or config.json does not give the context; all at once.
    """
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
    return ModelSource(
        name=name,
        version=version,
        files={file: digests[folder / file] for file in PARTS.values()},
        context=context,
        graph_bytes=(folder / GRAPH).stat().st_size,
        classification=classification,
        data_digest=data_digest,
    )


def verify(folder: Path, source: ModelSource) -> None:
    """Compare the files in `folder` with what the plan was made for.

    Raises:
        IntegrityError: names every file that is missing or differs.
    """
    wrong = []
    for file, wanted in sorted(source.files.items()):
        if not (folder / file).is_file():
            wrong.append(f"{file} is missing")
        elif (found := digest.of_file(folder / file)) != wanted:
            wrong.append(f"{file} has digest {found[:12]}, the plan says {wanted[:12]}")
    if wrong:
        raise IntegrityError(
            f"{folder} is not {source.name} version {source.version}: {'; '.join(wrong)}",
            hint="Fetch the model again; if that does not help, ask who wrote to it.",
        )


def _context(path: Path, problems: list[Problem]) -> int:
    try:
        value = json.loads(path.read_text(encoding="utf-8")).get("context")
    except (ValueError, AttributeError):
        problems.append(Problem(path=CONFIG, message="is not a JSON object"))
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = f"must be the longest text in tokens, not {value!r}"
        problems.append(Problem(path=f"{CONFIG}: context", message=message))
        return 0
    return value
