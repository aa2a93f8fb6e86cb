"""`manifest.json` inside an engine: what it was made of, by whom, and what it reached.

An in-toto Statement with a predicate of our own. The folder is signed as a whole, so the manifest
is covered: verify the signature first, then trust what the manifest says.

Version 2 of the predicate added what engines for GPUs need (kind, mode, container, parallelism,
timing cache), the outcome of every gate, and who approved. Version 1 is still read.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from engines import digest
from engines.facts import Facts
from engines.limits import Parallelism
from engines.planned import PlannedStep
from landfall.errors import IntegrityError, InvalidInput
from landfall.model.classification import Classification
from landfall.model.parsing import Written, parse

FILE = "manifest.json"
STATEMENT = "https://in-toto.io/Statement/v1"
FAMILY = "urn:landfall:engine:v"
PREDICATE: Literal["urn:landfall:engine:v2"] = "urn:landfall:engine:v2"
READABLE = ("urn:landfall:engine:v1", PREDICATE)

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Subject(Written):
    """One file of the engine."""

    name: str
    digest: dict[Literal["sha256"], str]


class Materials(Written):
    """What went in.

    Attributes:
        model: name in the registry.
        version: in the registry.
        files: SHA-256 of every file of the model that the build read.
        training_data: SHA-256 of the training data, or empty where it is not recorded.
        classification: the highest class of data that the model was trained on; None where it is
            not recorded (version 1). The engine's own may be higher, never lower.
        run: of the registry, that trained the model; empty where it is not recorded.
        commit: of the code that trained it; empty where it is not recorded.
    """

    model: str
    version: str
    files: dict[str, str]
    training_data: str
    classification: Classification | None = None
    run: str = ""
    commit: str = ""


class Gate(Written):
    """What a gate measured, and the bound."""

    metric: str
    reference: float
    engine: float
    ratio: float
    max_ratio: float


class Outcome(Written):
    """What became of one gate. A gate that did not run is not passed.

    Attributes:
        name: of the gate, such as quality, determinism or latency.
        outcome: what became of it.
        detail: what was found, or why it did not run.
        figures: what was measured, by name with the unit in it.
    """

    name: str
    outcome: Literal["passed", "failed", "not run"]
    detail: str = ""
    figures: dict[str, float] = Field(default_factory=dict)


class Speed(Written):
    """One stream, greedy, on the host that built it: a figure, not a promise."""

    tokens_per_second: float
    tokens: int


class Predicate(Written):
    """Everything that we attest about an engine. `built` is in UTC.

    Attributes:
        kind: text_generation, embedding or onnx_graph.
        mode: of the backend; empty where it has only one.
        container: reference of the image that built it and serves it, by digest; empty for none.
        timing_cache: SHA-256 of the cache of tactics that the build was pinned to; empty for none.
        builder: which program built it.
        built_by: the identity that ran it, such as a host's name; empty where it is not recorded.
        approver: who approved that it is signed; empty where nobody did.
        serve: the command that answers requests in the container, as the plan had it; None where
            Landfall's own server does. Its path /work is the engine's folder; /model, /draft and
            /adapters are the folders of these names in it. Its settings say where it tells how
            it is.
        gates: every gate that the spec asked for, also those that did not run.
        quality: None where no quality was measured.
        speed: None where no speed was measured.
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
    quality: Gate | None = None
    speed: Speed | None = None
    kind: str = "text_generation"
    mode: str = ""
    container: str = ""
    parallelism: Parallelism = Parallelism()
    timing_cache: Literal[""] | Digest = ""
    gates: tuple[Outcome, ...] = ()
    built_by: str = ""
    approver: str = ""
    serve: PlannedStep | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The gates. A build of version 1 had one, and ended where it was not passed."""
        if self.gates or self.quality is None:
            return self.gates
        figures = {"ratio": self.quality.ratio, "max_ratio": self.quality.max_ratio}
        return (Outcome(name="quality", outcome="passed", figures=figures),)

    @property
    def unmet(self) -> tuple[Outcome, ...]:
        """The gates that are not passed: failed, or not run."""
        return tuple(each for each in self.outcomes if each.outcome != "passed")

    @property
    def summary(self) -> str:
        """What was measured, in a few words."""
        words = []
        if (quality := self.quality) is not None:
            words.append(
                f"{quality.metric} {quality.engine:.4f}, {quality.ratio:.4f} of float32"
                f" (bound {quality.max_ratio:.2f})"
            )
        if self.speed is not None:
            words.append(f"{self.speed.tokens_per_second:.0f} tokens/s")
        return "; ".join(words) or "nothing was measured"

    @property
    def passed(self) -> bool:
        """Whether there is a gate, and all of them are passed."""
        return bool(self.outcomes) and not self.unmet


class Statement(Written):
    """The in-toto Statement."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: Literal["urn:landfall:engine:v1", "urn:landfall:engine:v2"] = Field(
        alias="predicateType"
    )
    predicate: Predicate


def write(folder: Path, predicate: Predicate) -> None:
    """Write the manifest of the engine in `folder`: the last file of a build."""
    found = digest.of_folder(folder)
    found.pop(FILE, None)
    statement = Statement(
        _type=STATEMENT,
        subject=tuple(Subject(name=name, digest={"sha256": each}) for name, each in found.items()),
        predicateType=PREDICATE,
        predicate=predicate,
    )
    # Written beside the folder: whoever is killed here leaves nothing in it that was not built.
    partial = folder.with_name(f".{folder.name}.{FILE}")
    partial.write_text(statement.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / FILE)


def approve(folder: Path, approver: str) -> Statement:
    """Record who approves the engine in `folder`. Before it is signed: a signature covers it.

    Raises:
        IntegrityError: the folder is not what its manifest says.
    """
    predicate = check(folder).predicate.model_copy(update={"approver": approver})
    write(folder, predicate)
    return read(folder)


def read(folder: Path) -> Statement:
    """The manifest of the engine in `folder`.

    Raises:
        IntegrityError: there is none, or it is not one of ours.
    """
    path = folder / FILE
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        _check_version(path, value)
        return parse(Statement, value, source=str(path))
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} has no {FILE}: it is not an engine") from error
    except (ValueError, InvalidInput) as error:
        raise IntegrityError(f"{path} is not the manifest of an engine: {error}") from error


def check(folder: Path, *, remembered: Path | None = None) -> Statement:
    """Compare every file with the manifest. Finds damage; only a signature finds forgery.

    With `remembered`, a file that keeps digests: what did not change since is not read again.

    Raises:
        IntegrityError: names every file that is missing, added or differs.
    """
    statement = read(folder)
    recorded = {each.name: each.digest["sha256"] for each in statement.subject}
    found = digest.of_folder(folder, remembered=remembered)
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


def _check_version(path: Path, value: Any) -> None:
    """Say so, where another version of Landfall wrote it."""
    found = value.get("predicateType", "") if isinstance(value, dict) else ""
    if str(found).startswith(FAMILY) and found not in READABLE:
        raise IntegrityError(
            f"{path} has a predicate {found}; this version reads {' and '.join(READABLE)}",
            hint="A newer Landfall wrote it: update this one.",
        )
