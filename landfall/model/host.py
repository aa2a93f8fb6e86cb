"""What the inventory promises about one server; preflight compares it with the facts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from landfall.model.environment import Environment
from landfall.model.parsing import Written, parse, read_yaml


class Cpu(Written):
    """Processors, as promised."""

    min_cores: Annotated[int, Field(ge=1)]
    model: str | None = None
    sockets: Annotated[int, Field(ge=1)] | None = None


class Memory(Written):
    """Memory in GiB, as promised."""

    min: Annotated[float, Field(gt=0)]


class System(Written):
    """The operating system, as promised."""

    distribution: str
    release: str


class Nic(Written):
    """A network port, known by its MAC. `speed_gbps` is absent where no speed is reported."""

    name: str
    mac: Annotated[str, Field(pattern="^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
    zone: str
    speed_gbps: int | None = None


class Disk(Written):
    """A disk, known by its serial number. Size in GB (10^9 bytes)."""

    serial: str
    size_gb: Annotated[int, Field(gt=0)]


class Gpu(Written):
    """A GPU model, and how many of it."""

    model: str
    count: Annotated[int, Field(ge=1)]


class Host(Written):
    """The hardware contract of one server."""

    cpu: Cpu
    memory_gib: Memory
    os: System
    nics: tuple[Nic, ...] = ()
    disks: tuple[Disk, ...] = ()
    gpus: tuple[Gpu, ...] = ()


class _File(Written):
    host: Host


def load(environment: Environment) -> dict[str, Host]:
    """The hosts of an environment, by name: each file of `host_vars/`.

    Raises:
        InvalidInput: with every problem of the first file that has one.
    """
    found = {}
    for path in sorted((environment.inventory / "host_vars").glob("*.yml")):
        source = str(path.relative_to(environment.root))
        found[path.stem] = parse(_File, read_yaml(path), source=source).host
    return found
