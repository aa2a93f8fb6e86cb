"""What people write about an engine: `engines/specs/<name>.yaml`, parsed once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator

from engines import backends
from landfall.errors import InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.parsing import Written, parse, read_yaml

SPECS = Path(__file__).resolve().parent / "specs"
"""Where the specs stand, one engine per file."""

NAME = r"^[a-z0-9][a-z0-9.-]{0,62}$"
"""What a served name may look like: it becomes a path, a unit name and a label."""


MIN_REQUESTS = 20
"""Of fewer, the 95th percentile is only the slowest."""


class ModelReference(Written):
    """A model in the registry, by version (fixed) or by alias (whatever it points to now)."""

    name: Annotated[str, Field(min_length=1)]
    version: str | None = None
    alias: str | None = None

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        # MLflow's versions are words that look like numbers; YAML reads them as numbers.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.version is None) == (self.alias is None):
            raise ValueError("give either version or alias")
        return self


class Limits(Written):
    """How much an engine takes on at a time. Lengths are in tokens.

    Attributes:
        max_batch: requests that are answered at the same time (rows of the cache).
        max_sequence: prompt and answer together.
        max_new_tokens: the longest answer.
        max_queue: requests that wait before others are turned away.
    """

    max_batch: PositiveInt
    max_sequence: PositiveInt
    max_new_tokens: PositiveInt
    max_queue: PositiveInt = 64

    @field_validator("max_new_tokens")
    @classmethod
    def _fits(cls, value: int, info: ValidationInfo) -> int:
        room = info.data.get("max_sequence")
        if room is not None and value >= room:
            raise ValueError(
                f"must be less than max_sequence ({room}), to leave room for a prompt; not {value}"
            )
        return value


class QualityGate(Written):
    """The bound on what a build may lose.

    `max_ratio`: the engine's perplexity on held-out text, divided by the float32 model's.
    """

    metric: Annotated[str, Field(pattern="^perplexity$")] = "perplexity"
    max_ratio: Annotated[float, Field(ge=1.0, le=2.0)] = 1.02


class LatencyGate(Written):
    """The bound on answers under a stated load: requests arrive whether others are done or not.

    Attributes:
        requests_per_second: how many arrive, on average.
        requests: how many are measured.
        ttft_p95_ms: 95 of 100 get their first token within so many milliseconds.
        tpot_p95_ms: and 95 of 100 wait no longer than this between tokens, on average.
    """

    requests_per_second: Annotated[float, Field(gt=0, le=10_000)]
    requests: Annotated[int, Field(ge=MIN_REQUESTS, le=1_000_000)] = 200
    ttft_p95_ms: Annotated[float, Field(gt=0)]
    tpot_p95_ms: Annotated[float, Field(gt=0)]


class Gates(Written):
    """What a build must reach to become an engine. Latency is bounded where it is stated."""

    quality: QualityGate = QualityGate()
    latency: LatencyGate | None = None


class EngineSpec(Written):
    """One engine: which model, for which target, how, and within which bounds.

    Attributes:
        name: the served name, which clients give as `model`.
        target: `cpu`, or the name of a GPU.
        classification: the highest class of request that it may answer.
    """

    name: Annotated[str, Field(pattern=NAME)]
    model: ModelReference
    backend: str = "onnxruntime"
    target: str = "cpu"
    precision: str
    classification: Classification
    limits: Limits
    gates: Gates = Gates()

    @field_validator("backend")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in backends.names():
            raise ValueError(f"no backend {value!r}; there are: {', '.join(backends.names())}")
        return value

    @field_validator("target", "precision")
    @classmethod
    def _possible(cls, value: str, info: ValidationInfo) -> str:
        # A validator per field, not one for the whole: all problems are reported at once.
        if "backend" not in info.data:
            return value
        words = {"precision": "float32", "target": "cpu", info.field_name: value}
        found = backends.find(info.data["backend"]).problems(
            precision=words["precision"], target=words["target"]
        )
        for problem in found:
            if problem.path == info.field_name:
                raise ValueError(problem.message)
        return value


def load(path: Path) -> EngineSpec:
    """Read one spec.

    Raises:
        InvalidInput: with all problems of the file, each with its path.
    """
    return parse(EngineSpec, read_yaml(path), source=str(path))


def load_all(folder: Path = SPECS) -> dict[str, EngineSpec]:
    """Every spec, by served name.

    Raises:
        InvalidInput: with all problems of all files; also where two files serve the same name.
    """
    found: dict[str, EngineSpec] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            spec = load(path)
        except InvalidInput as error:
            problems += [
                Problem(path=f"{path.name}: {each.path}", message=each.message)
                for each in error.problems
            ]
            continue
        if spec.name in found:
            message = f"another file already serves {spec.name!r}"
            problems.append(Problem(path=f"{path.name}: name", message=message))
        found[spec.name] = spec
    if problems:
        raise InvalidInput(str(folder), problems)
    return found
