"""The model that a spec means: fetched from the registry, or the files that it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engines import beside, carried, catalog, source
from engines.source import ModelSource
from engines.spec import EngineSpec
from landfall.errors import LandfallError
from landfall.model.classification import Classification
from landfall.model.environment import Environment

DIGESTS = "digests.json"
"""Where digests of files are remembered, below the models that were fetched."""


def find(
    environment: Environment, wanted: EngineSpec, *, registry: Callable[[], str]
) -> tuple[ModelSource, Path]:
    """The model of a spec, and the folder of its files.

    A folder that is not there yet is planned by the shape that the catalog has for its name.

    Raises:
        InvalidInput: the files are not a model that engines are made from.
        LandfallError: they are not there, or the registry does not answer.
    """
    remembered = environment.leavings / "models" / DIGESTS
    remembered.parent.mkdir(parents=True, exist_ok=True)
    if wanted.model.form == "registry":
        found, folder = _registered(environment, wanted, registry())
    else:
        found, folder = _brought(environment, wanted, remembered)
    return carried.read(found, beside_of(environment, wanted), remembered), folder


def beside_of(environment: Environment, wanted: EngineSpec) -> dict[str, Path]:
    """The folders of the draft model and the adapters, by their places in the engine."""
    named = beside.paths(wanted.draft, wanted.adapters)
    return {place: environment.root / path for place, path in named.items()}


def _brought(
    environment: Environment, wanted: EngineSpec, remembered: Path
) -> tuple[ModelSource, Path]:
    path = environment.root / wanted.model.path
    name, version = _name(path), wanted.model.version or ""
    highest = wanted.model.classification or Classification.RESTRICTED
    if wanted.model.form == "onnx" and path.is_file():
        found = source.read_onnx(
            path, name=name, version=version, classification=highest, kind=wanted.kind,
            remembered=remembered,
        )  # fmt: skip
        return found, path.parent
    if wanted.model.form == "huggingface" and path.is_dir():
        found = source.read(
            path, name=name, version=version, classification=highest, kind=wanted.kind,
            remembered=remembered,
        )  # fmt: skip
        return found, path
    known = catalog.models().get(name)
    if known is None or wanted.model.form == "onnx":
        raise LandfallError(
            f"{wanted.model.path} is not there, and the catalog has no model {name!r}",
            hint=f"Fetch it, or plan by the shape of one of {', '.join(catalog.models())}.",
        )
    return source.planned(name, known.shape, highest), path


def _registered(
    environment: Environment, wanted: EngineSpec, tracking_uri: str
) -> tuple[ModelSource, Path]:
    from landfall import registry  # slow to import, and not needed by those who only read specs

    version = registry.resolve(
        wanted.model.name,
        wanted.model.version or wanted.model.alias or "",
        tracking_uri=tracking_uri,
    )
    digest = version.tags.get(registry.CONTENT_DIGEST, "")
    folder = environment.leavings / "models" / f"{version.name}-{digest[:16]}"
    registry.download(version, folder, tracking_uri=tracking_uri)
    found = source.read(
        folder,
        name=version.name,
        version=str(version.version),
        classification=Classification(version.tags["classification"]),
        kind=wanted.kind,
        data_digest=version.tags.get("data_digest", ""),
        remembered=folder.parent / DIGESTS,
    )
    known = {"run": version.run, "commit": version.tags.get(registry.COMMIT, "")}
    return found.model_copy(update=known), folder


def _name(path: Path) -> str:
    # Every graph is called model.onnx: what it is says its folder.
    return path.parent.name if path.suffix == ".onnx" else path.name
