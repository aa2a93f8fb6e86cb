"""The configuration of the Kubernetes provider: it renders, and it is marked as offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from landfall.errors import Problem
from stacks.offline.configuration import ENGINE_KEYS, MARK, MARKED, is_offline
from stacks.offline.kubernetes.diff import Options
from stacks.offline.wire import Properties, is_unknown, reveal

FOLDER = "renderYamlToDirectory"

CLUSTER = ("cluster", "context", "kubeconfig")
"""Inputs that name a cluster; the real provider refuses them beside a folder, too."""

REFUSAL = (
    "this state was made with a real Kubernetes provider, and the offline provider is in use: it "
    "would plan against objects that it has never seen. Use a state folder of its own for offline "
    "runs, or run without the offline provider."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the configuration says. `folder` is None until the engine has sent it."""

    folder: Path | None = None
    namespace: str = ""
    options: Options = field(default_factory=Options)


def complete(olds: Properties, news: Properties) -> tuple[Properties, list[Problem]]:
    """The configuration with the mark, and what is wrong with it."""
    found = [] if is_offline(olds) else [Problem(path="", message=REFUSAL)]
    if not news.get(FOLDER):
        message = (
            "missing; there is no cluster offline, so give every Kubernetes resource a provider "
            "that renders to a folder"
        )
        found.append(Problem(path=FOLDER, message=message))
    for name in CLUSTER:
        if news.get(name):
            message = f"objects are rendered ({FOLDER}); leave it out, and unset KUBECONFIG"
            found.append(Problem(path=name, message=message))
    if _true(news, "alwaysRender"):
        message = "not done offline: what has not changed is not written again"
        found.append(Problem(path="alwaysRender", message=message))
    return {**news, MARK: MARKED}, found


def changed(olds: Mapping[str, Any], news: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the inputs that differ, the mark aside."""
    names = (olds.keys() | news.keys()) - {MARK} - ENGINE_KEYS
    return tuple(sorted(name for name in names if reveal(olds.get(name)) != reveal(news.get(name))))


def settings(inputs: Properties, root: Path) -> Settings:
    """What the configuration means. A relative folder is one of the project, `root`."""
    folder, namespace = reveal(inputs.get(FOLDER)), reveal(inputs.get("namespace"))
    return Settings(
        folder=None if is_unknown(folder) or not folder else root / str(folder),
        namespace=namespace if isinstance(namespace, str) else "",
        options=Options(
            config_map_mutable=_true(inputs, "enableConfigMapMutable"),
            secret_mutable=_true(inputs, "enableSecretMutable"),
        ),
    )


def _true(inputs: Mapping[str, Any], name: str) -> bool:
    return reveal(inputs.get(name)) in (True, "true")
