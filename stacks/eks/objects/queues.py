"""Kueue: a queue for each pool that admits no more than the pool may ever have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.eks.nodes import POOL, TAINT
from stacks.eks.objects.facts import (
    EFA,
    GPU,
    HUGE_PAGES,
    HUGE_PAGES_MIB,
    TRAINING,
    Facts,
    Manifest,
    manifest,
)
from stacks.eks.objects.network import NAMESPACE_NAME
from stacks.settings.training import Pool

API = "kueue.x-k8s.io/v1beta1"

PRIORITIES: Mapping[str, int] = {"low": 100, "normal": 1000, "urgent": 10000}
"""Which job goes first; a job that is higher takes the place of lower ones in its own queue."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """Flavours, queues and priorities."""
    for name, pool in facts.pools.items():
        taint = {"key": TAINT["key"], "value": TAINT["value"], "effect": "NoSchedule"}
        tolerations = [{"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}]
        flavour = {"nodeLabels": {POOL: name}, "nodeTaints": [taint], "tolerations": tolerations}
        yield manifest(API, "ResourceFlavor", name, spec=flavour)
        yield manifest(API, "ClusterQueue", name, spec=_queue(name, pool))
        yield manifest(API, "LocalQueue", name, TRAINING, spec={"clusterQueue": name})
    for name, value in PRIORITIES.items():
        yield manifest(API, "WorkloadPriorityClass", name, value=value)


def _queue(name: str, pool: Pool) -> dict[str, Any]:
    """No cohort: what one pool does not use, no other may borrow, for its nodes are others."""
    found = quotas(pool)
    resources = [{"name": each, "nominalQuota": most} for each, most in found.items()]
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: TRAINING}},
        "queueingStrategy": "BestEffortFIFO",
        "preemption": {"withinClusterQueue": "LowerPriority"},
        "resourceGroups": [
            {
                "coveredResources": list(found),
                "flavors": [{"name": name, "resources": resources}],
            }
        ],
    }


def quotas(pool: Pool) -> Mapping[str, str]:
    """All that a pool may ever have: the edge of spending, at admission."""
    number = pool.max_instances
    memory = min(each.mem_gib for each in pool.types)
    found = {"cpu": str(pool.vcpus), "memory": f"{int(number * memory)}Gi", GPU: str(pool.gpus)}
    if pool.efa:
        found[EFA] = str(number * pool.types[0].efa)
        found[HUGE_PAGES] = f"{number * HUGE_PAGES_MIB}Mi"
    return found
