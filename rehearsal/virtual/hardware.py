"""What an emulated server is made of, as values: nothing here starts anything."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum

BAYS = 8
"""Places for NVMe disks: four on each socket."""

SLOTS = 4
"""Places for data network cards: two on each socket."""

MEMORY_MIB = 2048
"""Memory of both NUMA nodes together: enough for LUKS2's key derivation and a container."""

DISK_MIB = 2048

ROOT_MIB = 8 * 1024
"""Size of the root disk. The image's file system fills it."""


class Firmware(StrEnum):
    """What starts the kernel. OVMF measures it into the TPM; SeaBIOS does not."""

    SEABIOS = "seabios"
    OVMF = "ovmf"


class Cable(StrEnum):
    """Where the other end of a data network card is."""

    BOND = "bond"
    """A port of the switch, which is LACP partner for all bond cables of one server."""
    WAN = "wan"
    """The plain bridge that stands for the network between a site and its edge."""
    NONE = "none"
    """No cable: the card is there and has no link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """An NVMe disk. Two disks may carry one serial; one of them needs a label, and a cold boot."""

    serial: str
    size_mib: int = DISK_MIB
    label: str = ""

    @property
    def name(self) -> str:
        """What its file is called: the label, or else the serial. It keeps what was written."""
        return self.label or self.serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A data network card, and where its cable leads."""

    mac: str
    cable: Cable = Cable.BOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """A dual-socket server. `spare` lies in the drawer: it is plugged when a test says so."""

    name: str
    disks: tuple[Disk, ...] = ()
    spare: Disk | None = None
    nics: tuple[Nic, ...] = ()
    firmware: Firmware = Firmware.SEABIOS
    tpm: bool = False
    volatile_caches: bool = False
    memory_mib: int = MEMORY_MIB
    kernel_words: tuple[str, ...] = field(default=())
    """More words for the kernel's command line."""
    clock: str = "utc"
    """What its clock says at power-on: this machine's time, or a date such as 2023-05-01."""

    def __post_init__(self) -> None:
        """Refuse what does not fit into the chassis."""
        if len(self.disks) > BAYS or len(self.nics) > SLOTS:
            raise ValueError(f"{self.name}: {BAYS} disks and {SLOTS} network cards fit, not more")
        if len(self.name) > 12:  # noqa: PLR2004 - a tap's name has 15 characters: name, dash, digits
            raise ValueError(f"{self.name}: at most 12 characters")

    @property
    def uuid(self) -> uuid.UUID:
        """What DMI says; the machine id follows from it."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, self.name)

    @property
    def clonable(self) -> bool:
        """Whether a snapshot can become this server: a TPM and drive caches cannot be restored."""
        plain = self.firmware is Firmware.SEABIOS and self.memory_mib == MEMORY_MIB
        usual = plain and self.clock == "utc"
        return usual and not (self.tpm or self.volatile_caches or self.kernel_words)


def server(
    name: str,
    *,
    number: int = 1,
    disk_mib: int = DISK_MIB,
    cable: Cable = Cable.BOND,
    firmware: Firmware = Firmware.SEABIOS,
    tpm: bool = False,
    volatile_caches: bool = False,
) -> Hardware:
    """The usual server: four NVMe disks and a spare in the drawer, two data network cards.

    Serials are NAME-NVME0 to NAME-NVME3 and NAME-SPARE in capitals; addresses of the cards are
    52:54:00:00:NUMBER:00 and :01, so servers of one rack need different numbers from 1 to 255.
    """
    prefix = name.upper()
    return Hardware(
        name=name,
        disks=tuple(Disk(serial=f"{prefix}-NVME{bay}", size_mib=disk_mib) for bay in range(4)),
        spare=Disk(serial=f"{prefix}-SPARE", size_mib=disk_mib),
        nics=tuple(Nic(mac=f"52:54:00:00:{number:02x}:{i:02x}", cable=cable) for i in range(2)),
        firmware=firmware,
        tpm=tpm,
        volatile_caches=volatile_caches,
    )


def bay_node(bay: int) -> int:
    """The NUMA node of a disk bay: pairs alternate, so a server's first four use both."""
    return bay // 2 % 2


def slot_node(slot: int) -> int:
    """The NUMA node of a network card's slot: the first two cards sit on node 0."""
    return slot // 2 % 2
