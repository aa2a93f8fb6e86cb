"""What a training machine is told when it starts: scripts and units, laid out by templates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from landfall.model import xid
from landfall.render import render
from stacks.settings.training import Block, Pool

SCRATCH = "/scratch"
"""Where a machine's local disks are, and where a job finds them."""

LUSTRE = "/datasets"
"""Where machines mount the file system, and where jobs find it, read-only."""

NAMESPACE = "Landfall/Training"
"""Of the metrics that machines report."""

BLOCK_LEAD_S = 45 * 60
"""How long before its block's end a machine ends its jobs; EC2 takes machines back from 30 minutes
before the end (EC2 user guide, Capacity Blocks for ML)."""

GRACE_S = 300
"""How long jobs may write their last checkpoint on a machine that is to be replaced."""

CRITICAL_S = 30
"""How long agents of a node have after its jobs."""

STOP_TIMEOUT_S = 120
"""How long a job that AWS Batch ends may write its last checkpoint (ECS agent, stop timeout)."""

GPU_CHECK_S = 300
"""How often GPUs are counted."""

LARGEST = 16 * 1024
"""Bytes of user data (EC2 user guide, "Run commands when you launch an instance")."""

SCRIPTS = ("report", "scratch", "drain", "watch", "health")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What user data needs to know of a machine.

    Attributes:
        environment: whose machine it is.
        region: where it stands.
        pool: to which it belongs.
        gpus: how many it has.
        block_end: when its capacity block ends, or None.
        lustre: the file system that it mounts (`<name>@tcp:/<mount name>`), or None.
    """

    environment: str
    region: str
    pool: str
    gpus: int
    block_end: datetime | None = None
    lustre: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd service. `started` when the machine is, or by its timer."""

    name: str
    what: str
    command: str
    order: tuple[str, ...] = ()
    service: tuple[str, ...] = ("Restart=always", "RestartSec=5")
    wanted: bool = True


UNITS = (
    Unit(
        name="scratch",
        what="one file system on the local disks",
        command="/usr/local/sbin/landfall-scratch",
        order=("Before=docker.service ecs.service",),
        service=("Type=oneshot", "RemainAfterExit=yes"),
    ),
    Unit(
        name="watch",
        what="the end of this machine",
        command="/usr/local/sbin/landfall-watch",
        order=("After=network-online.target", "Wants=network-online.target"),
    ),
    Unit(
        name="health",
        what="Xid errors of the GPUs",
        command="/usr/local/sbin/landfall-health",
    ),
    Unit(
        name="gpus",
        what="whether every GPU answers",
        command="/usr/local/sbin/landfall-health gpus",
        service=("Type=oneshot",),
        wanted=False,
    ),
)

AGENT = (
    f"ECS_CONTAINER_STOP_TIMEOUT={STOP_TIMEOUT_S}s",
    "ECS_DISABLE_PRIVILEGED=true",
    "ECS_AWSVPC_BLOCK_IMDS=true",
    "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
)
"""Of the ECS agent (ECS developer guide, "Amazon ECS container agent configuration")."""


def machine(pool: Pool, *, name: str, environment: str, region: str) -> Machine:
    """What the user data of a pool's machines needs."""
    capacity = pool.capacity
    return Machine(
        environment=environment,
        region=region,
        pool=name,
        gpus=pool.types[0].gpus,
        block_end=capacity.end if isinstance(capacity, Block) else None,
    )


def script(name: str, machine: Machine) -> str:
    """The text of one of `SCRIPTS` on a machine."""
    values = {
        "region": machine.region,
        "environment": machine.environment,
        "pool": machine.pool,
        "gpus": machine.gpus,
        "block_end": int(machine.block_end.timestamp()) if machine.block_end else 0,
        "block_lead_s": BLOCK_LEAD_S,
        "grace_s": GRACE_S,
        "scratch": SCRATCH,
        "namespace": NAMESPACE,
        "fatal": xid.fatal(),
    }
    return render(f"cloud-init/landfall-{name}.sh.j2", values)


def batch_user_data(machine: Machine) -> str:
    """User data of a machine that AWS Batch starts: MIME, as Batch adds a part of its own."""
    config = render(
        "cloud-init/cloud-config.yaml.j2",
        {"files": list(_files(machine)), "commands": _commands(), "mounts": _mounts(machine)},
    )
    return _mime([("text/cloud-config", config)])


def node_user_data() -> str:
    """User data of a node of EKS: its disks in one stripe, and time for the last checkpoint."""
    config = render(
        "cloud-init/node-config.yaml.j2", {"grace_s": GRACE_S, "critical_s": CRITICAL_S}
    )
    return _mime([("application/node.eks.aws", config)])


def _mime(parts: list[tuple[str, str]]) -> str:
    found = [{"type": kind, "text": text} for kind, text in parts]
    return render("cloud-init/user-data.mime.j2", {"parts": found})


def _files(machine: Machine) -> Iterator[dict[str, object]]:
    for name in SCRIPTS:
        yield _file(f"/usr/local/sbin/landfall-{name}", script(name, machine), mode="0755")
    for unit in UNITS:
        text = render("cloud-init/landfall.service.j2", {"unit": unit})
        yield _file(f"/etc/systemd/system/landfall-{unit.name}.service", text)
    timer = {"what": "count the GPUs", "every_s": GPU_CHECK_S}
    text = render("cloud-init/landfall.timer.j2", timer)
    yield _file("/etc/systemd/system/landfall-gpus.timer", text)
    # Batch appends the name of its cluster to the same file.
    yield _file("/etc/ecs/ecs.config", "\n".join(AGENT) + "\n", append=True)


def _file(
    path: str, content: str, *, mode: str = "0644", append: bool = False
) -> dict[str, object]:
    return {"path": path, "content": content, "mode": mode, "append": append}


def _mounts(machine: Machine) -> list[list[str]]:
    if machine.lustre is None:
        return []
    return [[machine.lustre, LUSTRE, "lustre", "noatime,flock,_netdev", "0", "0"]]


def _commands() -> list[list[str]]:
    started = [f"landfall-{unit.name}.service" for unit in UNITS if unit.wanted]
    return [
        ["systemctl", "daemon-reload"],
        ["systemctl", "enable", "--now", *started, "landfall-gpus.timer"],
    ]
