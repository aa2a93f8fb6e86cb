"""How a job runs: one interface, Kubeflow Trainer's, with a runtime for each pool.

Kueue admits all pods of a job or none (gang); JobSet starts all again when one is lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stacks.eks.nodes import POOL, TAINT
from stacks.eks.objects.claims import claim_name
from stacks.eks.objects.facts import TRAINING, Facts, Manifest, counted, manifest, usable
from stacks.settings.training import Pool
from stacks.training.userdata import GRACE_S, SCRATCH

API = "trainer.kubeflow.org/v1alpha1"

STEP = "trainer.kubeflow.org/trainjob-ancestor-step"
"""Marks the part of a runtime that trains; Kubeflow Trainer fills it in from the job."""

NODE = "node"
"""What Kubeflow Trainer calls the replicated job and the container that train."""

RESTARTS = 3
"""How often a job that fails by itself starts again; one that loses a node does so without end."""

KEPT_S = 7 * 24 * 3600
"""How long a job that ended can be looked at."""

SHARED_MEMORY_SHARE = 0.125
"""Of a node's memory for /dev/shm, through which NCCL and data loaders exchange."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """A runtime for each pool."""
    for name, pool in facts.pools.items():
        spec = {
            "mlPolicy": {"numNodes": 1, "torch": {"numProcPerNode": pool.types[0].gpus}},
            "template": {"spec": _job_set(facts, name, pool)},
        }
        yield manifest(
            API,
            "ClusterTrainingRuntime",
            name,
            labels={"trainer.kubeflow.org/framework": "torch"},
            spec=spec,
        )


def example(facts: Facts) -> Manifest:
    """A job on two nodes, or on one where no pool has two. It is not rendered: it would run."""
    several = [name for name, pool in facts.pools.items() if pool.max_instances > 1]
    efa = [name for name in several if facts.pools[name].efa]
    name = [*efa, *several, *facts.pools][0]
    return manifest(
        API,
        "TrainJob",
        "example",
        TRAINING,
        labels={"kueue.x-k8s.io/queue-name": name, "kueue.x-k8s.io/priority-class": "normal"},
        spec={
            "runtimeRef": {
                "apiGroup": API.partition("/")[0],
                "kind": "ClusterTrainingRuntime",
                "name": name,
            },
            "trainer": {
                "image": facts.job_image,
                "command": list(facts.settings.command),
                "numNodes": 2 if several else 1,
            },
        },
    )


def _job_set(facts: Facts, name: str, pool: Pool) -> dict[str, Any]:
    lost_node = {
        "name": "lost-node",
        "action": "RestartJobSetAndIgnoreMaxRestarts",
        "onJobFailureReasons": ["PodFailurePolicy"],
    }
    return {
        "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
        "failurePolicy": {
            "maxRestarts": RESTARTS,
            "restartStrategy": "BlockingRecreate",
            "rules": [lost_node],
        },
        "ttlSecondsAfterFinished": KEPT_S,
        "replicatedJobs": [
            {
                "name": NODE,
                "template": {
                    "metadata": {"labels": {STEP: "trainer"}},
                    "spec": _job(facts, name, pool),
                },
            }
        ],
    }


def _job(facts: Facts, name: str, pool: Pool) -> dict[str, Any]:
    gone = {
        "action": "FailJob",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {
        "backoffLimit": 0,
        # The hard edge of a job that hangs.
        "activeDeadlineSeconds": pool.max_hours * 3600,
        "podFailurePolicy": {"rules": [gone]},
        "template": {
            "metadata": {"labels": {POOL: name}},
            "spec": _pod(facts, name, pool),
        },
    }


def _pod(facts: Facts, name: str, pool: Pool) -> dict[str, Any]:
    memory = min(each.mem_gib for each in pool.types)
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {}},
        {
            "name": "shm",
            "emptyDir": {
                "medium": "Memory",
                "sizeLimit": f"{int(memory * SHARED_MEMORY_SHARE)}Gi",
            },
        },
    ]
    claims = [{"name": "devices", "resourceClaimTemplateName": claim_name(name)}]
    return {
        **({"resourceClaims": claims} if facts.settings.drivers else {}),
        "restartPolicy": "Never",
        "serviceAccountName": TRAINING,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "nodeSelector": {POOL: name},
        "tolerations": [{"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(facts, name, pool)],
        "volumes": volumes,
    }


def _container(facts: Facts, name: str, pool: Pool) -> dict[str, Any]:
    drivers = facts.settings.drivers
    devices = counted(pool, drivers=drivers)
    claimed = {"claims": [{"name": "devices"}]} if drivers else {}
    variables = {
        "AWS_REGION": facts.region,
        "LANDFALL_CHECKPOINTS": facts.checkpoints[name],
        "LANDFALL_DATASETS": facts.datasets,
        "LANDFALL_SCRATCH": SCRATCH,
    }
    return {
        "name": NODE,
        "image": facts.job_image,
        "env": [{"name": each, "value": value} for each, value in variables.items()],
        "resources": {
            "requests": {**usable(pool), **devices},
            "limits": {"memory": usable(pool)["memory"], **devices},
            **claimed,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108  a memory file system
        ],
    }
