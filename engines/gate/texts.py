"""Texts that an encoder is measured on: they travel with its model.

`evaluation.txt` has one text a line, for a tokenizer that is read here; `evaluation.json` is a list
of lists of token ids, for any other.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import RootModel, ValidationError

from engines import encoder
from engines.source import EVALUATION, EVALUATION_TOKENS
from landfall.errors import InvalidInput, Problem

FEWEST = 8
"""Texts: of fewer, a neighbour that is kept says little."""
MOST = 1024
"""Texts that are read: every pair of them is compared."""

Text = list[int]


class _Rows(RootModel[list[list[int]]]):
    """`evaluation.json`."""


def texts(folder: Path, *, room: int, read_by: Path | None = None) -> tuple[str, list[Text]]:
    """The file with the texts of the model in `folder`, and their tokens, `room` each at most.

    `read_by` is the engine whose own tokenizer reads them; None for the model's.

    Raises:
        InvalidInput: they are too few, no texts, or not in the model's vocabulary.
    """
    words, vocabulary = encoder.words(read_by or folder)
    path = folder / EVALUATION_TOKENS
    if path.exists():
        rows = _tokens(path)
    else:
        path = folder / EVALUATION
        if words is None:
            message = f"this tokenizer is not read here; give token ids in {EVALUATION_TOKENS}"
            raise InvalidInput(str(path), [Problem(path="", message=message)])
        rows = [words.encode(line) for line in path.read_text(encoding="utf-8").splitlines()]
    found = [row[:room] for row in rows[:MOST] if row]
    problems = []
    if outside := sorted({each for row in found for each in row if not 0 <= each < vocabulary}):
        message = f"token {outside[0]} is not in the vocabulary of {vocabulary}"
        problems.append(Problem(path="", message=message))
    if len({tuple(row) for row in found}) < FEWEST:
        message = f"must hold at least {FEWEST} different texts to measure the model on"
        problems.append(Problem(path="", message=message))
    if problems:
        raise InvalidInput(str(path), problems)
    return path.name, found


def _tokens(path: Path) -> list[Text]:
    try:
        return _Rows.model_validate_json(path.read_bytes(), strict=True).root
    except (ValidationError, json.JSONDecodeError) as error:
        message = "must be a list of lists of token ids"
        raise InvalidInput(str(path), [Problem(path="", message=message)]) from error
