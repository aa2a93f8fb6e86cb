"""Kubernetes objects, rendered to a folder: the cluster's API is never reached from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pulumi

from stacks.eks.objects import Manifest


class Object(pulumi.CustomResource):
    """Any Kubernetes object, as the provider's own classes declare one."""

    def __init__(self, name: str, written: Manifest, opts: pulumi.ResourceOptions) -> None:
        super().__init__(token(written), name, dict(written), opts)


class Rendered(pulumi.ComponentResource):
    """A folder with one file for each object."""

    def __init__(
        self,
        name: str,
        folder: str,
        objects: Iterable[Manifest],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        # Imported here: an environment without a cluster needs none of it, and it takes a while.
        import pulumi_kubernetes as kubernetes

        super().__init__("landfall:index:Rendered", name, {}, opts)
        provider = kubernetes.Provider(
            name, render_yaml_to_directory=folder, opts=pulumi.ResourceOptions(parent=self)
        )
        child = pulumi.ResourceOptions(parent=self, provider=provider)
        for each in objects:
            Object(logical_name(name, each), each, child)
        self.register_outputs({})


def token(written: Manifest) -> str:
    """The provider's name of an object's type: `kubernetes:apps/v1:DaemonSet`."""
    api = str(written["apiVersion"])
    return f"kubernetes:{api if '/' in api else f'core/{api}'}:{written['kind']}"


def logical_name(name: str, written: Manifest) -> str:
    """What the engine calls an object: of a kind, a name is there once in a namespace."""
    metadata: dict[str, Any] = written["metadata"]
    parts = [name, metadata.get("namespace"), metadata["name"]]
    return "-".join(str(part) for part in parts if part)
