"""Namespaces with what pods in them may be, and the identity and the edge of jobs."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.eks.objects.claims import GPU_CLASS
from stacks.eks.objects.facts import DEVICES, GPU, TRAINING, Facts, Manifest, manifest

LEVELS = {TRAINING: "restricted", DEVICES: "privileged"}
"""Pod Security: a job is nobody in particular; what talks to hardware cannot be."""


CLAIMED = ".deviceclass.resource.k8s.io/devices"
"""After a device class: how many of its devices claims may have (Kubernetes, Resource Quotas)."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """Namespaces, the account of jobs, and a quota under the queues' own."""
    for name, level in LEVELS.items():
        modes = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "warn")}
        yield manifest("v1", "Namespace", name, labels=modes)
    # A pod gets its AWS identity by Pod Identity; it has no business with the Kubernetes API.
    yield manifest("v1", "ServiceAccount", TRAINING, TRAINING, automountServiceAccountToken=False)
    most = sum(pool.gpus for pool in facts.pools.values())
    asked = f"{GPU_CLASS}{CLAIMED}" if facts.settings.drivers else f"requests.{GPU}"
    yield manifest("v1", "ResourceQuota", "gpus", TRAINING, spec={"hard": {asked: str(most)}})
