"""The only module that imports mlflow: versions of models, their tags, aliases and files.

A version is a folder of files, known by the digest over all of them. Registering the same bytes
again finds the first version; downloading compares the bytes with the digest before anyone sees
them. Tags that every version of ours carries are named here; values are text, as MLflow keeps them.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from landfall.errors import IntegrityError, InvalidInput, LandfallError, Problem, Unreachable
from landfall.model import manifest
from landfall.model.classification import Classification

if TYPE_CHECKING:
    import mlflow

CONTENT_DIGEST = "content_digest"
"""SHA-256 over the names and digests of all files, see `content_digest`; set by `register`."""
BYTES = "bytes"
"""Size of all files together, in bytes; set by `register`."""

COMMIT = "commit"
"""Of the code that trained a version; absent where that was not recorded."""

FOLDER = "model"
"""Where a version's files lie among the artifacts of its run."""
PART = ".part"
PROBE_TIMEOUT_S = 5.0
"""MLflow's client itself repeats for minutes before it says that nobody answers."""

# MLflow tells its news on stdout, where a machine may be reading what our command says.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")


class Compliance(StrEnum):
    """How far a version has been reviewed."""

    UNREVIEWED = "unreviewed"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a version says about itself.

    Attributes:
        parameters: how many numbers were trained.
        precision: their format, such as float32.
        data_digest: SHA-256 of the data that it was trained on.
        trained_on: the day (UTC) on which training ended.
        compliance: how far it has been reviewed.
        classification: the highest class of data that it was trained on.
    """

    parameters: int
    precision: str
    data_digest: str
    trained_on: date
    classification: Classification
    compliance: Compliance = Compliance.UNREVIEWED

    def tags(self) -> dict[str, str]:
        """As tags of a version."""
        return {
            "parameters": str(self.parameters),
            "precision": self.precision,
            "data_digest": self.data_digest,
            "trained_on": self.trained_on.isoformat(),
            "compliance": self.compliance.value,
            "classification": self.classification.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A version of a model. `uri` is `models:/<name>/<version>`; `run` is where its files lie."""

    name: str
    version: int
    uri: str
    run: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = field(default=())


def content_digest(folder: Path) -> str:
    """SHA-256 over every file below `folder`: its path and its own SHA-256, in order of the paths.

    Raises:
        InvalidInput: there is no file, or something that is neither file nor folder (a link, say).
    """
    return manifest.read(folder).digest


def register(
    folder: Path,
    name: str,
    *,
    tracking_uri: str,
    tags: Mapping[str, str],
    metrics: Mapping[str, float],
    params: Mapping[str, str],
) -> ModelVersion:
    """Upload the files in `folder` as a new version of the model `name`.

    If a version has these very files already, that one is returned, with its tags brought up to
    date. A version exists only when all its files are there.

    Raises:
        InvalidInput: the folder cannot be a version.
        Unreachable: the registry does not answer.
        LandfallError: the registry refuses.
    """
    digest = content_digest(folder)
    size = sum((folder / each).stat().st_size for each in _files(folder))
    wanted = {**tags, CONTENT_DIGEST: digest, BYTES: str(size)}
    with _speaking(tracking_uri, f"register {name}") as client:
        for known in client.search_model_versions(f"name = '{name}'"):
            if known.tags.get(CONTENT_DIGEST) == digest:
                for key, value in wanted.items():
                    if known.tags.get(key) != value:
                        client.set_model_version_tag(name, known.version, key, value)
                return _version(client.get_model_version(name, known.version))
        run = client.create_run(_experiment(client, name), tags=wanted)
        for key, number in metrics.items():
            client.log_metric(run.info.run_id, key, number)
        for key, text in params.items():
            client.log_param(run.info.run_id, key, text)
        client.log_artifacts(run.info.run_id, str(folder), FOLDER)
        client.set_terminated(run.info.run_id)
        _ensure_model(client, name)
        made = client.create_model_version(
            name, source=f"{run.info.artifact_uri}/{FOLDER}", run_id=run.info.run_id, tags=wanted
        )
        return _version(made)


def resolve(name: str, version_or_alias: int | str, *, tracking_uri: str) -> ModelVersion:
    """The version that a number or an alias stands for.

    Raises:
        LandfallError: there is none; lists those that there are.
        Unreachable: the registry does not answer.
    """
    wanted = str(version_or_alias)
    with _speaking(tracking_uri, f"find {name}") as client:
        from mlflow.exceptions import MlflowException

        try:
            if wanted.isdigit():
                return _version(client.get_model_version(name, wanted))
            return _version(client.get_model_version_by_alias(name, wanted))
        except MlflowException as error:
            if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
        known = sorted(
            int(each.version) for each in client.search_model_versions(f"name = '{name}'")
        )
    there = f"versions {', '.join(map(str, known))}" if known else "no versions"
    kind = "version" if wanted.isdigit() else "alias"
    raise LandfallError(f"model {name} has no {kind} {wanted!r} in {tracking_uri}; it has {there}")


def download(version: ModelVersion, to: Path, *, tracking_uri: str) -> Path:
    """Bring the files of `version` into the folder `to`, which appears only when it is right.

    A download that was cut off goes on with the files that are missing. If `to` holds these files
    already, nothing is done.

    Raises:
        IntegrityError: the bytes are not those of the version's digest, it has none, or `to` holds
            something else.
        Unreachable: the registry does not answer.
    """
    digest = version.tags.get(CONTENT_DIGEST)
    if digest is None:
        raise IntegrityError(
            f"{version.uri} carries no tag {CONTENT_DIGEST}, so nobody can check it"
        )
    if to.exists():
        if content_digest(to) == digest:
            return to
        raise IntegrityError(f"{to} holds something else than {version.uri}", hint="Remove it.")
    part = to.with_name(to.name + PART)
    with _speaking(tracking_uri, f"download {version.uri}") as client:
        _fetch(client, version, part)
    found = content_digest(part)
    if found != digest:
        shutil.rmtree(part)
        raise IntegrityError(
            f"{version.uri}: the files have digest {found}, the version says {digest}",
            hint="The registry's storage is damaged or was changed: register the model again.",
        )
    part.rename(to)
    return to


def set_alias(version: ModelVersion, alias: str, *, tracking_uri: str) -> None:
    """Let `alias` stand for `version`, and for no other. Safe twice.

    Raises:
        Unreachable: the registry does not answer.
        LandfallError: the registry refuses the name.
    """
    with _speaking(tracking_uri, f"set alias {alias}") as client:
        client.set_registered_model_alias(version.name, alias, str(version.version))


def tag(version: ModelVersion, key: str, value: str, *, tracking_uri: str) -> None:
    """Set one tag of `version`. The digest of its content is no matter of opinion.

    Raises:
        InvalidInput: the tag is one that `register` sets.
        Unreachable: the registry does not answer.
        LandfallError: the registry refuses.
    """
    if key in {CONTENT_DIGEST, BYTES}:
        raise InvalidInput(version.uri, [Problem(path=key, message="is set by register alone")])
    with _speaking(tracking_uri, f"tag {version.uri}") as client:
        client.set_model_version_tag(version.name, str(version.version), key, value)


def _fetch(client: mlflow.MlflowClient, version: ModelVersion, part: Path) -> None:
    """Download what `part` lacks. A file that was cut off is shorter than the registry says."""
    pending, wanted = [FOLDER], set()
    while pending:
        for each in client.list_artifacts(version.run, pending.pop()):
            name = PurePosixPath(each.path).relative_to(FOLDER)
            if each.is_dir:
                pending.append(each.path)
                continue
            wanted.add(name.as_posix())
            file = part / name
            if not (file.is_file() and file.stat().st_size == each.file_size):
                file.parent.mkdir(parents=True, exist_ok=True)
                client.download_artifacts(version.run, each.path, str(file.parent))
    if not wanted:
        raise IntegrityError(f"{version.uri}: the registry has lost its files")
    for stale in set(_files(part)) - wanted:  # of another version, cut off at the same place
        (part / stale).unlink()


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _experiment(client: mlflow.MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _ensure_model(client: mlflow.MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version(found: Any) -> ModelVersion:
    return ModelVersion(
        name=found.name,
        version=int(found.version),
        uri=f"models:/{found.name}/{found.version}",
        run=found.run_id,
        tags=dict(found.tags),
        aliases=tuple(found.aliases),
    )


@contextmanager
def _speaking(tracking_uri: str, what: str) -> Iterator[mlflow.MlflowClient]:
    _probe(tracking_uri, what)
    # Seconds to import, so only where a registry is really asked.
    import mlflow
    from mlflow.exceptions import MlflowException

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    try:
        yield mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    except MlflowException as error:
        raise LandfallError(
            f"{what}: the registry at {tracking_uri} says: {error.message}"
        ) from error


def _probe(tracking_uri: str, what: str) -> None:
    """Ask for a sign of life, so that a registry that is down is known in seconds."""
    parts = urlsplit(tracking_uri)
    if parts.scheme not in {"http", "https"}:
        wrong = Problem(path="tracking_uri", message="must be an http or https address")
        raise InvalidInput(tracking_uri, [wrong])
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/health")
        connection.getresponse()
    except (OSError, HTTPException) as error:
        text = f"{what}: the registry at {tracking_uri} does not answer ({error})"
        raise Unreachable(text, hint="Is it running? landfall status says.") from error
    finally:
        connection.close()
