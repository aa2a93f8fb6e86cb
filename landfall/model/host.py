"""What the inventory promises about one server; preflight compares it with the facts."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Literal

from pydantic import Field

from landfall.errors import InvalidInput, Problem
from landfall.model.array import Array
from landfall.model.environment import Environment
from landfall.model.network import Mtu
from landfall.model.parsing import Written, parse, read_yaml

Interface = Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]{0,14}$")]
"""The kernel's limit is 15 characters (IFNAMSIZ)."""


class Cpu(Written):
    """Processors, as promised."""

    min_cores: Annotated[int, Field(ge=1)]
    model: str | None = None
    sockets: Annotated[int, Field(ge=1)] | None = None
    numa_nodes: Annotated[int, Field(ge=1)] | None = None


class Memory(Written):
    """Memory in GiB, as promised.

    `dimms` are the modules in the whole machine; with `channels_per_socket` (8 on Xeon Scalable
    of the third generation) they give the modules per channel, on which the speed depends.
    """

    min: Annotated[float, Field(gt=0)]
    ecc: bool | None = None
    dimms: Annotated[int, Field(ge=1)] | None = None
    channels_per_socket: Annotated[int, Field(ge=1)] = 8
    dimms_per_channel: Annotated[int, Field(ge=1, le=3)] | None = None


class System(Written):
    """The operating system, as promised. `kernel` is the oldest release that will do."""

    distribution: str
    release: str
    kernel: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")] | None = None
    secure_boot: bool | None = None


class Nic(Written):
    """A network port, known by its MAC. `speed_gbps` is absent where no speed is reported.

    Attributes:
        name: of the interface.
        zone: the network on it, where it carries one untagged and is in no bond.
        numa_node: the processor that it hangs on.
        mtu: the largest packet that the port and the switch's port carry.
        rings: descriptors for receiving and sending; absent leaves the driver's.
        queues: combined queues; absent leaves the driver's.
    """

    name: Interface
    mac: Annotated[str, Field(pattern="^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
    zone: str | None = None
    speed_gbps: int | None = None
    numa_node: int | None = None
    mtu: Mtu = 1500
    rings: Annotated[int, Field(ge=64, le=16384)] | None = None
    queues: Annotated[int, Field(ge=1, le=512)] | None = None


class Bond(Written):
    """Ports that carry one another's traffic, by LACP (IEEE 802.1AX, the kernel's 802.3ad)."""

    name: Interface
    members: Annotated[tuple[Interface, ...], Field(min_length=2)]
    mtu: Mtu = 1500
    hash: Literal["layer2", "layer2+3", "layer3+4"] = "layer3+4"
    miimon_ms: Annotated[int, Field(ge=10, le=1000)] = 100
    lacp_rate: Literal["fast", "slow"] = "fast"


class Address(Written):
    """An address of the host in one of the site's networks, on a port or a bond.

    A network with a VLAN id gets an interface of its own on the port or bond.
    """

    network: str
    interface: Interface
    address: IPv4Address


class Disk(Written):
    """A disk, known by its serial number. Size in GB (10^9 bytes)."""

    serial: Annotated[str, Field(pattern=r"^[\w.-]{1,40}$")]
    size_gb: Annotated[float, Field(gt=0)]
    model: str | None = None
    numa_node: int | None = None
    pcie_width: Annotated[int, Field(ge=1, le=16)] | None = None


class Gpu(Written):
    """A GPU model, how many of it, and how they are run.

    Attributes:
        numa_nodes: the processor that each hangs on, one for each or none.
        pcie_width: lanes in use.
        mig: the profile that splits each, e.g. `1g.10gb`, where the model can.
        power_limit_w: the most that each may draw.
        clocks_mhz: lowest and highest graphics clock.
    """

    model: str
    count: Annotated[int, Field(ge=1)]
    numa_nodes: tuple[int, ...] = ()
    pcie_width: Annotated[int, Field(ge=1, le=16)] | None = None
    mig: Annotated[str, Field(pattern=r"^\d+g\.\d+gb(\+me)?$")] | None = None
    power_limit_w: Annotated[int, Field(ge=50, le=1500)] | None = None
    clocks_mhz: tuple[int, int] | None = None


class Firmware(Written):
    """The baseline of firmware and BIOS, read through the machine's own controller.

    Attributes:
        redfish: host or host:port of the controller.
        key_secret: names the secret `{"username": …, "password": …}` in the secrets manager.
        ca: the file, below the checkout, with the certificate that signed the controller's.
        versions: what each component must have, by the controller's name for it.
        attributes: BIOS attributes and their values.
    """

    redfish: Annotated[str, Field(pattern=r"^[\w.-]+(:\d+)?$")]
    key_secret: str
    ca: str | None = None
    versions: Mapping[str, str] = Field(default_factory=dict)
    attributes: Mapping[str, str | int] = Field(default_factory=dict)


class Host(Written):
    """The hardware contract of one server, and how its parts are put together."""

    cpu: Cpu
    memory_gib: Memory
    os: System
    nics: tuple[Nic, ...] = ()
    bonds: tuple[Bond, ...] = ()
    addresses: tuple[Address, ...] = ()
    disks: tuple[Disk, ...] = ()
    array: Array | None = None
    gpus: tuple[Gpu, ...] = ()
    firmware: Firmware | None = None


class _File(Written):
    host: Host


def load(environment: Environment) -> dict[str, Host]:
    """The hosts of an environment, by name: each file of `host_vars/`.

    Raises:
        InvalidInput: with every problem of every file; a path begins with its file.
    """
    found, problems = {}, []
    for path in sorted((environment.inventory / "host_vars").glob("*.yml")):
        source = str(path.relative_to(environment.inventory))
        try:
            found[path.stem] = parse(_File, read_yaml(path), source=source).host
        except InvalidInput as error:
            problems += [
                Problem(path=f"{source}: {each.path}", message=each.message)
                for each in error.problems
            ]
    if problems:
        raise InvalidInput(str(environment.inventory.relative_to(environment.root)), problems)
    return found
