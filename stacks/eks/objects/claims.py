"""Claims of devices, where the version has drivers: whole nodes' GPUs, and their EFAs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stacks.eks.objects.facts import TRAINING, Facts, Manifest, manifest
from stacks.settings.training import Pool

GPU_CLASS = "gpu.nvidia.com"
EFA_CLASS = "efa.networking.k8s.aws"
"""Device classes that the drivers' charts make (NVIDIA DRA driver; EKS charts, aws-dranet)."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """A template of claims for each pool."""
    if facts.settings.drivers:
        for name, pool in facts.pools.items():
            spec = {"spec": {"devices": {"requests": requests(pool)}}}
            yield manifest(
                "resource.k8s.io/v1", "ResourceClaimTemplate", claim_name(name), TRAINING, spec=spec
            )


def requests(pool: Pool) -> list[dict[str, Any]]:
    """Every GPU and every EFA of a node: a job has its nodes for itself."""
    found = [("gpus", GPU_CLASS, pool.types[0].gpus)]
    if pool.efa:
        found.append(("efas", EFA_CLASS, pool.types[0].efa))
    return [
        {
            "name": name,
            "exactly": {
                "deviceClassName": kind,
                "allocationMode": "ExactCount",
                "count": count,
            },
        }
        for name, kind, count in found
    ]


def claim_name(pool: str) -> str:
    """The name of a pool's template of claims."""
    return f"devices-{pool}"
