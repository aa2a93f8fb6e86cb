"""What the objects are made from, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import pulumi

from stacks.settings.training import Eks, Pool

Manifest: TypeAlias = dict[str, Any]
"""A Kubernetes object as plain data. Texts that only AWS knows may be outputs."""

TRAINING = "training"
"""The namespace of jobs, and the service account in it that they run as."""

DEVICES = "landfall-devices"
"""The namespace of what touches hardware, and the only one where pods may."""

GPU = "nvidia.com/gpu"
EFA = "vpc.amazonaws.com/efa"
HUGE_PAGES = "hugepages-2Mi"

HUGE_PAGES_MIB = 5120
"""Of a pod with EFAs, as in EKS's example; an image sets 5128 pages of 2 MiB aside (EKS user
guide, "Run machine learning training on Amazon EKS with EFA")."""

USABLE = 0.85
"""Of a node's processors and memory, what a job may ask for; the rest is kubelet's and agents'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the objects are made from.

    Attributes:
        environment: dev, staging or prod.
        cluster: the name of the cluster.
        region: where it stands.
        settings: versions, images' names, charts.
        pools: those that have nodes.
        images: with registry and digest, by name.
        job_image: the same, of a job.
        datasets: where data sets are, as a URI.
        checkpoints: where they are, as URIs, by pool.
        folder: where the objects are rendered, below the checkout.
    """

    environment: str
    cluster: str
    region: str
    settings: Eks
    pools: Mapping[str, Pool]
    images: Mapping[str, pulumi.Input[str]]
    job_image: pulumi.Input[str]
    datasets: pulumi.Input[str]
    checkpoints: Mapping[str, pulumi.Input[str]]
    folder: str


def manifest(api: str, kind: str, name: str, namespace: str | None = None, **rest: Any) -> Manifest:
    """An object with its name, and the mark by which Landfall's are known."""
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {"app.kubernetes.io/managed-by": "landfall", **rest.pop("labels", {})},
    }
    if namespace:
        metadata["namespace"] = namespace
    if annotations := rest.pop("annotations", None):
        metadata["annotations"] = annotations
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def usable(pool: Pool) -> dict[str, str]:
    """Processors and memory that one job may have of one node of a pool."""
    cpu = min(each.vcpu for each in pool.types)
    memory = min(each.mem_gib for each in pool.types)
    return {"cpu": str(int(cpu * USABLE)), "memory": f"{int(memory * USABLE)}Gi"}


def counted(pool: Pool, *, drivers: bool) -> dict[str, str]:
    """Devices of one node that a pod asks for by number; with drivers it claims them instead."""
    found: dict[str, str] = {} if drivers else {GPU: str(pool.types[0].gpus)}
    if pool.efa:
        found[HUGE_PAGES] = f"{HUGE_PAGES_MIB}Mi"
        if not drivers:
            found[EFA] = str(pool.types[0].efa)
    return found
