"""`manifest.json` inside an engine: what it was made of, by whom, and what it reached.

An in-toto Statement with a predicate of our own. The folder is signed as a whole, so the manifest
is covered: verify the signature first, then trust what the manifest says.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from engines import digest
from engines.facts import Facts
from landfall.errors import IntegrityError, InvalidInput
from landfall.model.classification import Classification
from landfall.model.parsing import Written, parse

FILE = "manifest.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:landfall:engine:v1"


class Subject(Written):
    """One file of the engine."""

    name: str
    digest: dict[Literal["sha256"], str]


class Materials(Written):
    """What went in."""

    model: str
    version: str
    files: dict[str, str]
    training_data: str


class Gate(Written):
    """What a gate measured, and the bound."""

    metric: str
    reference: float
    engine: float
    ratio: float
    max_ratio: float


class Speed(Written):
    """One stream, greedy, on the host that built it: a figure, not a promise."""

    tokens_per_second: float
    tokens: int


class Predicate(Written):
    """Everything that we attest about an engine. `built` is in UTC.

    `kind` is text_generation, embedding or onnx_graph.
    """

    engine: str
    key: str
    parts: dict[str, str]
    backend: str
    backend_version: str
    precision: str
    target: str
    classification: Classification
    slots: int
    room: int
    builder: str
    built: dt.datetime
    host: Facts
    materials: Materials
    quality: Gate
    speed: Speed
    kind: str = "text_generation"


class Statement(Written):
    """The in-toto Statement."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: Literal["urn:landfall:engine:v1"] = Field(alias="predicateType")
    predicate: Predicate


def write(folder: Path, predicate: Predicate) -> None:
    """Write the manifest of the engine in `folder`: the last file of a build."""
    files = digest.of_folder(folder)
    files.pop(FILE, None)
    statement = Statement(
        _type=STATEMENT,
        subject=tuple(Subject(name=name, digest={"sha256": each}) for name, each in files.items()),
        predicateType=PREDICATE,
        predicate=predicate,
    )
    text = statement.model_dump_json(by_alias=True, indent=2) + "\n"
    (folder / FILE).write_text(text, encoding="utf-8")


def read(folder: Path) -> Statement:
    """The manifest of the engine in `folder`.

    Raises:
        IntegrityError: there is none, or it is not one of ours.
    """
    path = folder / FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return parse(Statement, value, source=str(path))
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} has no {FILE}: it is not an engine") from error
    except (ValueError, InvalidInput) as error:
        raise IntegrityError(f"{path} is not the manifest of an engine: {error}") from error


def check(folder: Path) -> Statement:
    """Compare every file with the manifest. Finds damage; only a signature finds forgery.

    Raises:
        IntegrityError: names every file that is missing, added or differs.
    """
    statement = read(folder)
    recorded = {each.name: each.digest["sha256"] for each in statement.subject}
    found = digest.of_folder(folder)
    found.pop(FILE, None)
    wrong = [f"{name} is missing" for name in sorted(recorded.keys() - found.keys())]
    wrong += [f"{name} was added" for name in sorted(found.keys() - recorded.keys())]
    wrong += [
        f"{name} differs from the manifest"
        for name in sorted(recorded.keys() & found.keys())
        if recorded[name] != found[name]
    ]
    if wrong:
        raise IntegrityError(f"{folder} is damaged: {'; '.join(wrong)}")
    return statement
