"""What people write about an engine: `engines/specs/<name>.yaml`, parsed once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engines import backends
from engines.beside import Adapter, DraftModel
from engines.bounds import Gates, LatencyGate, QualityGate, ResponseGate
from engines.limits import Generation, Limits, Parallelism
from engines.reference import ModelReference
from landfall.errors import InvalidInput, Problem
from landfall.model.classification import Classification
from landfall.model.container import DIGEST, IMAGE
from landfall.model.parsing import Written, parse, read_yaml

__all__ = [
    "SPECS", "EngineSpec", "Gates", "LatencyGate", "Limits", "ModelReference", "QualityGate",
    "ResponseGate", "load", "load_all",
]  # fmt: skip

SPECS = Path(__file__).resolve().parent / "specs"
"""Where the specs stand, one engine per file."""

NAME = r"^[a-z0-9][a-z0-9.-]{0,62}$"
"""What a served name may look like: it becomes a path, a unit name and a label."""

LENGTH_OF_DIGEST = r"^[0-9a-f]{64}$"


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Targets = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]
"""One or several; one alone needs no list."""


class EngineSpec(Written):
    """One engine for each target: which model, how, and within which bounds.

    Attributes:
        name: the served name, which clients give as `model`.
        kind: text_generation, embedding, or onnx_graph.
        backend: the tool; `mode` is one of its ways to work, the first where none is given.
        version: of the tool, exactly, where it runs in a container.
        container: `PATH@sha256:DIGEST`, below the site's own registry.
        target: `cpu`, the name of a GPU, a group of the inventory, or several of them.
        precision: of the weights; `kv_cache` of what is kept of each token.
        classification: the highest class of request that it may answer.
        memory_fraction: of a GPU's memory, as the backend means it; its default where not given.
        chat_template: a file in the model's folder, in place of the model's own.
        timing_cache: SHA-256 of the timings that a build of mode engine starts from.
        operators: domains of operators in a graph that are not ONNX's own, and may be there.
    """

    name: Annotated[str, Field(pattern=NAME)]
    model: ModelReference
    backend: str = "onnxruntime"
    mode: str = Field(default="", validate_default=True)
    version: str = Field(default="", validate_default=True)
    container: str = ""
    kind: str = "text_generation"
    target: Targets = ("cpu",)
    precision: str
    kv_cache: str = Field(default="", validate_default=True)
    parallelism: Parallelism = Parallelism()
    classification: Classification
    limits: Limits
    gates: Gates = Field(default=Gates(), validate_default=True)
    memory_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    chat_template: Annotated[str, Field(pattern=r"^[\w.-]+$")] = ""
    generation: Generation = Generation()
    draft: DraftModel | None = None
    adapters: tuple[Adapter, ...] = ()
    timing_cache: Annotated[str, Field(pattern=LENGTH_OF_DIGEST)] | None = None
    operators: tuple[Literal["com.microsoft"], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _unlimited(cls, value: Any) -> Any:
        # A graph reads no text and has no cache, so there is nothing to limit but the queue.
        if not isinstance(value, dict) or value.get("kind") != "onnx_graph":
            return value
        limits = value.get("limits", {})
        if not isinstance(limits, dict):
            return value
        return {**value, "limits": {"max_batch": 1, "max_sequence": 1, **limits}}

    @field_validator("backend")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in backends.names():
            raise ValueError(f"no backend {value!r}; there are: {', '.join(backends.names())}")
        return value

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return str(value) if isinstance(value, float) else value

    @field_validator("mode", "version", "kind", "precision", "kv_cache")
    @classmethod
    def _possible(cls, value: str, info: ValidationInfo) -> str:
        # A validator per field, not one for the whole: all problems are reported at once.
        if "backend" not in info.data:
            return value
        backend = backends.find(info.data["backend"])
        if info.field_name == "mode":
            value = value or backend.MODES[0]
        if info.field_name == "kv_cache":
            value = value or backend.CACHES[0]
        words = backends.Words(**{str(info.field_name): value})
        for problem in backend.problems(words):
            raise ValueError(problem.message)
        return value

    @field_validator("gates")
    @classmethod
    def _of_kind(cls, value: Gates, info: ValidationInfo) -> Gates:
        return value.of_kind(info.data["kind"]) if "kind" in info.data else value

    @field_validator("operators")
    @classmethod
    def _of_graphs(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if value and info.data.get("kind") == "text_generation":
            raise ValueError("leave it out: only embeddings and graphs come with their own")
        return value

    @field_validator("target")
    @classmethod
    def _target(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "backend" not in info.data:
            return value
        twice = sorted({each for each in value if value.count(each) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named twice")
        backend = backends.find(info.data["backend"])
        found = [each.message for one in value for each in backend.problems(_target_word(one))]
        if found:
            raise ValueError("; ".join(found))
        return value

    @field_validator("container")
    @classmethod
    def _by_digest(cls, value: str) -> str:
        image, _, digest = value.partition("@")
        if value and not (IMAGE.match(image) and DIGEST.match(digest)):
            raise ValueError(f"must be PATH@sha256:DIGEST, since a tag can be moved; not {value!r}")
        return value


def _target_word(target: str) -> backends.Words:
    return backends.Words(target=target)


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
