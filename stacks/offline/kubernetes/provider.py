"""Pulumi's ResourceProvider service for `kubernetes`: objects are checked and rendered."""

# ruff: noqa: N802, ARG002  the service's methods have the names and arguments of its protocol

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2

from landfall.errors import Problem
from stacks.offline.compare import Change
from stacks.offline.configuration import MARK, MARKED
from stacks.offline.kubernetes import check, configuration, manifests, objects, schemas
from stacks.offline.kubernetes.configuration import Settings
from stacks.offline.kubernetes.crds import definitions
from stacks.offline.kubernetes.diff import Difference, diff
from stacks.offline.kubernetes.schemas import Kind, UnknownKind
from stacks.offline.service import Attached, Session, checked, failures, refuse, token_of
from stacks.offline.wire import Properties, decode, encode, is_unknown, reveal

VERSION = version("pulumi_kubernetes")
"""The release of pulumi-kubernetes whose place this provider takes: the installed one."""

DECODE = "kubernetes:yaml:decode"
"""The function by which the SDK's ConfigFile reads YAML."""


@dataclass(slots=True, kw_only=True)
class Run(Session):
    """One connection of an engine: its configuration, and which resource has which file."""

    settings: Settings = field(default_factory=Settings)
    claimed: dict[Path, str] = field(default_factory=dict)


class KubernetesProvider(Attached[Run]):
    """Checks objects against their schemas and renders them. Threads may share it.

    `root` is the folder that a relative folder for the files is in, and `release` the Kubernetes
    release whose schemas objects must fit.
    """

    def __init__(self, *, root: Path, release: str = schemas.VERSION) -> None:
        super().__init__(VERSION, Run)
        self._root = root
        self._release = release
        self._replaced: dict[str, str] = {}
        """The automatic names of objects that are to be replaced, by URN."""

    # -- the provider itself -----------------------------------------------------------------

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Refuse a configuration that names a cluster, and mark it as offline."""
        inputs, problems = configuration.complete(decode(request.olds), decode(request.news))
        return checked(inputs, problems)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Another folder replaces the provider, and with it every object: as the real one does."""
        olds = decode(request.old_inputs) or decode(request.olds)
        if reveal(olds.get(MARK)) != MARKED:
            refuse(context, configuration.REFUSAL)
        names = configuration.changed(olds, decode(request.news))
        kind = provider_pb2.DiffResponse
        return kind(
            changes=kind.DIFF_SOME if names else kind.DIFF_NONE,
            diffs=names,
            replaces=[name for name in names if name == configuration.FOLDER],
        )

    def Configure(self, request: Any, context: Any) -> Any:
        """Take the configuration over for this connection."""
        inputs = decode(request.args)
        if reveal(inputs.get(MARK)) != MARKED:
            refuse(context, configuration.REFUSAL)
        self._session(context).settings = configuration.settings(inputs, self._root)
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    # -- objects -----------------------------------------------------------------------------

    def Check(self, request: Any, context: Any) -> Any:
        """Complete the object and say everything that is wrong with it."""
        news, olds = decode(request.news), decode(request.olds)
        try:
            kind = self._kind(request.urn)
        except UnknownKind as error:
            return checked(news, [Problem(path="", message=str(error))])
        run = self._session(context)
        inputs = objects.fill(
            news,
            olds,
            urn=request.urn,
            kind=kind,
            namespace=run.settings.namespace,
            replaced="" if olds else self._replaced.get(request.urn, ""),
        )
        found = check.problems(inputs, olds, kind, self._release)
        if not found:
            found += self._claim(run, request.urn, inputs)
        return checked(inputs, found)

    def Diff(self, request: Any, context: Any) -> Any:
        """What a change does to the object."""
        olds = decode(request.old_inputs) or decode(request.olds)
        plain = reveal(olds)
        if objects.is_autonamed(plain):
            with self._lock:
                self._replaced[request.urn] = objects.name_of(plain)
        found = diff(
            plain,
            reveal(decode(request.news)),
            namespaced=self._kind(request.urn).namespaced,
            options=self._session(context).settings.options,
        )
        return _diffed(found)

    def Create(self, request: Any, context: Any) -> Any:
        """Render the object, unless this is a preview."""
        inputs = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(inputs))
        manifests.write(reveal(inputs), self._folder(context))
        self._forget(request.urn)
        place, name = objects.namespace_of(inputs), objects.name_of(inputs)
        identity = f"{place}/{name}" if place else name
        return provider_pb2.CreateResponse(id=identity, properties=encode(inputs))

    def Update(self, request: Any, context: Any) -> Any:
        """Render the object again, unless this is a preview."""
        inputs = decode(request.news)
        if not request.preview:
            manifests.write(reveal(inputs), self._folder(context))
        return provider_pb2.UpdateResponse(properties=encode(inputs))

    def Read(self, request: Any, context: Any) -> Any:
        """What is in the state is what was rendered; there is no cluster to ask."""
        if not decode(request.properties):
            refuse(context, f"{request.id} cannot be read offline: there is no cluster to ask")
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Delete(self, request: Any, context: Any) -> Any:
        """Remove the file, unless another resource of this run has written it."""
        inputs, folder = reveal(decode(request.properties)), self._folder(context)
        owner = self._session(context).claimed.get(manifests.path_of(inputs, folder))
        if owner in (None, request.urn):
            manifests.remove(inputs, folder)
        self._forget(request.urn)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        """Read YAML, as the SDK's ConfigFile asks for; nothing else is answered."""
        if request.tok != DECODE:
            message = f"the offline provider cannot answer {request.tok}; it reads YAML ({DECODE})"
            return provider_pb2.InvokeResponse(
                failures=failures([Problem(path="", message=message)])
            )
        text = reveal(decode(request.args)).get("text") or ""
        found = [each for each in yaml.safe_load_all(text) if each]
        return provider_pb2.InvokeResponse(**{"return": encode({"result": found})})

    def Construct(self, request: Any, context: Any) -> Any:
        """Charts, kustomizations and groups of files are put together by the real provider."""
        refuse(
            context,
            f"{request.type} is put together by the real provider; declare its objects one by one, "
            "or let Argo CD render the chart",
        )

    # -- parts of the above ------------------------------------------------------------------

    def _kind(self, urn: str) -> Kind:
        api_version, name = objects.object_type(token_of(urn))
        for ending, what in (("Patch", "a patch"), ("List", "a list")):
            if name.endswith(ending) and (api_version, name) not in definitions():
                message = f"{name}: {what} needs a cluster; declare the objects themselves"
                raise UnknownKind(message)
        return schemas.kind(api_version, name, self._release)

    def _claim(self, run: Run, urn: str, inputs: Properties) -> list[Problem]:
        """Note which resource has a file; two of one run may not have the same."""
        folder = run.settings.folder
        if folder is None or is_unknown(inputs.get("metadata")):
            return []
        path = manifests.path_of(reveal(inputs), folder)
        with self._lock:
            owner = run.claimed.setdefault(path, urn)
        if owner == urn:
            return []
        message = f"{owner.rpartition('::')[2]} is the same object, and would be overwritten"
        return [Problem(path="metadata.name", message=message)]

    def _forget(self, urn: str) -> None:
        """A name that has gone is nothing to stay clear of any more."""
        with self._lock:
            self._replaced.pop(urn, None)

    def _folder(self, context: Any) -> Path:
        folder = self._session(context).settings.folder
        if folder is None:
            refuse(context, f"{configuration.FOLDER} is not known yet")
        return folder


def _diffed(found: Difference) -> Any:
    kind = provider_pb2.DiffResponse
    return kind(
        changes=kind.DIFF_SOME if found.changes else kind.DIFF_NONE,
        replaces=found.replaces,
        deleteBeforeReplace=found.delete_first,
        diffs=[change.path for change in found.changes],
        hasDetailedDiff=True,
        detailedDiff={
            change.path: provider_pb2.PropertyDiff(
                kind=_change(change, replaces=change.path in found.replaces), inputDiff=True
            )
            for change in found.changes
        },
    )


def _change(change: Change, *, replaces: bool) -> Any:
    kind = provider_pb2.PropertyDiff
    if change.old is None:
        return kind.ADD_REPLACE if replaces else kind.ADD
    if change.new is None:
        return kind.DELETE_REPLACE if replaces else kind.DELETE
    return kind.UPDATE_REPLACE if replaces else kind.UPDATE
