"""What a training job runs, as AWS Batch wants it written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.settings.training import Pool, Spot
from stacks.training.identity import CHECKPOINTS
from stacks.training.userdata import LUSTRE, SCRATCH

MEMORY_SHARE = 0.9
"""Of a machine's memory: the rest is the system's and the agent's (AWS Batch user guide, "Compute
resource memory management", advises to leave some)."""

SHARED_MEMORY_SHARE = 0.125
"""Of a machine's memory for /dev/shm, through which NCCL and data loaders exchange."""

USER = "1000:1000"
"""Nobody in particular: jobs need not be root to use GPUs, EFAs or scratch."""

SPOT_ATTEMPTS, ATTEMPTS = 10, 3
"""AWS Batch tries a job 10 times at most."""

INTERRUPTED = "143"
"""The exit code of a job that wrote its last checkpoint after SIGTERM: 128 + 15."""

RETRY: list[dict[str, str]] = [
    {"action": "RETRY", "on_status_reason": "Host EC2*"},
    {"action": "RETRY", "on_exit_code": INTERRUPTED},
    {"action": "EXIT", "on_reason": "*"},
]
"""A machine that was taken away and a job that was told to go are tried again; a job that fails by
itself is not (AWS Batch user guide, "Automated job retries")."""

FABRIC_DEVICE = "/dev/infiniband/uverbs{index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a pool's jobs have in common.

    Attributes:
        image: with its registry and digest.
        command: what runs in it.
        role: ARN of the job's identity.
        pool: its name.
        datasets: the name of the bucket with data sets.
        artifacts: the name of the bucket with checkpoints.
        log_group: where its output goes.
        region: where it runs.
        lustre: whether machines have the file system mounted.
    """

    image: str
    command: tuple[str, ...]
    role: str
    pool: str
    datasets: str
    artifacts: str
    log_group: str
    region: str
    lustre: bool = False

    @property
    def checkpoints(self) -> str:
        """Where its checkpoints are."""
        return f"s3://{self.artifacts}/{CHECKPOINTS}/{self.pool}"


def several(pool: Pool) -> bool:
    """Whether a job of the pool may run on several machines."""
    return pool.efa and pool.max_instances > 1 and not isinstance(pool.capacity, Spot)


def container(job: Job, pool: Pool) -> dict[str, Any]:
    """A container that has a whole machine of the pool, whichever of its types that is."""
    memory = min(each.mem_gib for each in pool.types) * 1024
    volumes = {"scratch": (SCRATCH, False), **({"lustre": (LUSTRE, True)} if job.lustre else {})}
    limits = [{"name": "memlock", "softLimit": -1, "hardLimit": -1}] if pool.efa else []
    return {
        "image": job.image,
        "command": list(job.command),
        "jobRoleArn": job.role,
        "user": USER,
        "privileged": False,
        "environment": [{"name": k, "value": v} for k, v in environment(job).items()],
        "resourceRequirements": [
            {"type": "GPU", "value": str(pool.types[0].gpus)},
            {"type": "VCPU", "value": str(min(each.vcpu for each in pool.types))},
            {"type": "MEMORY", "value": str(int(memory * MEMORY_SHARE))},
        ],
        "linuxParameters": {
            "sharedMemorySize": int(memory * SHARED_MEMORY_SHARE),
            "devices": _fabric(pool.types[0].efa if pool.efa else 0),
        },
        "ulimits": limits,
        "volumes": [{"name": n, "host": {"sourcePath": path}} for n, (path, _) in volumes.items()],
        "mountPoints": [
            {"sourceVolume": n, "containerPath": path, "readOnly": only}
            for n, (path, only) in volumes.items()
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": job.log_group,
                "awslogs-region": job.region,
                "awslogs-stream-prefix": job.pool,
            },
        },
    }


def environment(job: Job) -> Mapping[str, str]:
    """What a job is told: where its data and its checkpoints are. Credentials come by its role."""
    return {
        "AWS_REGION": job.region,
        "LANDFALL_CHECKPOINTS": job.checkpoints,
        "LANDFALL_DATASETS": f"s3://{job.datasets}",
        "LANDFALL_SCRATCH": SCRATCH,
    }


def container_properties(job: Job, pool: Pool) -> str:
    """A job on one machine, as JSON."""
    return json.dumps(container(job, pool), sort_keys=True)


def node_properties(job: Job, pool: Pool) -> str:
    """A job on all machines of the pool, or fewer if it says so when it is submitted, as JSON."""
    found = {
        "mainNode": 0,
        "numNodes": pool.max_instances,
        "nodeRangeProperties": [{"targetNodes": "0:", "container": container(job, pool)}],
    }
    return json.dumps(found, sort_keys=True)


def attempts(pool: Pool) -> int:
    """How often a job is tried: spot machines are taken away more often."""
    return SPOT_ATTEMPTS if isinstance(pool.capacity, Spot) else ATTEMPTS


def _fabric(count: int) -> list[dict[str, Any]]:
    paths = [FABRIC_DEVICE.format(index=index) for index in range(count)]
    return [
        {"hostPath": path, "containerPath": path, "permissions": ["READ", "WRITE", "MKNOD"]}
        for path in paths
    ]
