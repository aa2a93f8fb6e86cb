"""QEMU's command line for a server, computed from its hardware: nothing here starts anything.

The processor, the two NUMA nodes and the two PCIe bridges that belong to them are the same in
every server; disks sit in hot-plug bays and data cards in hot-plug slots, each on its node.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.virtual.hardware import BAYS, SLOTS, Disk, Firmware, Hardware, bay_node, slot_node
from rehearsal.virtual.image import Image

QEMU = "qemu-system-x86_64"

MODEL = "Intel(R) Xeon(R) Platinum 8368 CPU @ 2.40GHz"
"""What /proc/cpuinfo says. Below the name is all that emulation offers (no AVX-512)."""

MANAGEMENT_MAC = "52:54:00:00:00:10"
SERVICES_ADDRESS = "10.0.2.100"
"""Where a server finds what the rack serves, on its management network."""

OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")

KERNEL_WORDS = (
    *("root=/dev/vda", "rw", "rootfstype=ext4", "console=ttyS0", "quiet", "loglevel=3"),
    *("mitigations=off", "net.ifnames=1", "random.trust_cpu=on"),
)

NODE_DISTANCE = 21  # what two sockets of a Xeon tell the kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A port of SERVICES_ADDRESS, and the program that QEMU starts for each connection to it."""

    port: int
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files of one server, and the loopback port that leads to its ssh."""

    folder: Path
    ssh_port: int

    @property
    def qmp(self) -> Path:
        """The socket of QEMU's machine protocol."""
        return self.folder / "qmp"

    @property
    def serial_log(self) -> Path:
        """All that the server has said on its serial console."""
        return self.folder / "serial.log"

    @property
    def root(self) -> Path:
        """The root disk's own part, over the image."""
        return self.folder / "root.qcow2"

    @property
    def identity(self) -> Path:
        """What the server is told about itself: the text of an SMBIOS string."""
        return self.folder / "identity"

    @property
    def tpm(self) -> Path:
        """The socket of the software TPM."""
        return self.folder / "tpm.sock"

    @property
    def variables(self) -> Path:
        """OVMF's own memory."""
        return self.folder / "variables.fd"

    def disk(self, disk: Disk, *, volatile: bool) -> Path:
        """The file of an NVMe disk."""
        return self.folder / "disks" / f"{disk.name}.{'raw' if volatile else 'qcow2'}"

    def cache(self, name: str) -> Path:
        """The socket of the volatile write cache before a disk."""
        return self.folder / f"{name}.nbd"


def command(
    hardware: Hardware,
    places: Places,
    image: Image,
    *,
    bays: Mapping[int, Disk],
    services: Sequence[Service] = (),
) -> list[str]:
    """The command line of a cold boot, with disks and cards in place."""
    disks: list[str] = []
    for bay, disk in bays.items():
        drive = drive_node(hardware, places, disk, node=f"drive{bay}")
        disks += ["-blockdev", json.dumps(drive)]
        for device in _twin(bay, disk) if disk.label else [disk_device(bay, disk)]:
            disks += ["-device", json.dumps(device)]
    cards: list[str] = []
    for slot in range(len(hardware.nics)):
        cards += ["-device", json.dumps(card_device(hardware, slot))]
    return [
        *_board(hardware, _memory(hardware)),
        *_firmware(hardware, places),
        *_root(hardware, places),
        *_kernel(hardware, image),
        *_management(places, services),
        *disks,
        *_cables(hardware),
        *cards,
        *_consoles(places),
    ]


def snapshot_command(
    hardware: Hardware,
    places: Places,
    image: Image,
    *,
    memory: Path,
    restore: bool,
    services: Sequence[Service] = (),
) -> list[str]:
    """The command line of a server without disks and data cards, whose memory lies in files.

    To make the snapshot, it boots and writes to `memory`; to restore, it waits for the saved
    state and shares the memory copy-on-write. Both must be the same but for what is not state.
    """
    return [
        *_board(hardware, _memory(hardware, folder=memory, shared=not restore)),
        *_root(hardware, places),
        *_kernel(hardware, image),
        *_management(places, services),
        *_cables(hardware if restore else None),
        *_consoles(places),
        *(["-incoming", "defer"] if restore else []),
    ]


def drive_node(hardware: Hardware, places: Places, disk: Disk, *, node: str) -> dict[str, Any]:
    """The block node behind a disk: its file, or its volatile cache."""
    if hardware.volatile_caches:
        return _cached(places.cache(disk.name), node)
    file = places.disk(disk, volatile=False)
    return _qcow2(file, node)


def disk_device(bay: int, disk: Disk) -> dict[str, Any]:
    """An NVMe disk in a bay."""
    return {
        "driver": "nvme",
        "id": f"nvme{bay}",
        "drive": f"drive{bay}",
        "serial": disk.serial,
        "bus": f"bay{bay}",
    }


def _twin(bay: int, disk: Disk) -> list[dict[str, Any]]:
    """A disk whose serial another one has, too, under a qualified name of its own.

    The name is made from the serial otherwise, and the kernel refuses the second of one name.
    """
    controller = disk_device(bay, disk) | {"subsys": f"apart{bay}"}
    drive = controller.pop("drive")
    return [
        {"driver": "nvme-subsys", "id": f"apart{bay}", "nqn": disk.label},
        controller,
        {"driver": "nvme-ns", "drive": drive, "bus": f"nvme{bay}"},
    ]


def card_device(hardware: Hardware, slot: int) -> dict[str, Any]:
    """A 25 GbE data card in a slot. Without speed and duplex, a bond finds no LACP partner."""
    return {
        "driver": "virtio-net-pci",
        "id": f"card{slot}",
        "netdev": f"cable{slot}",
        "mac": hardware.nics[slot].mac,
        "host_mtu": 9000,
        "speed": 25000,
        "duplex": "full",
        "romfile": "",
        "bus": f"slot{slot}",
    }


def _board(hardware: Hardware, memory: list[str]) -> list[str]:
    """Two sockets, two NUMA nodes, a PCIe bridge on each, bays and slots, and Dell's name."""
    dmi = {"manufacturer": "Dell Inc.", "product": "PowerEdge R750xa"}
    dmi |= {"serial": hardware.name.upper(), "uuid": str(hardware.uuid)}
    bridges = []
    for node, bus in ((0, 64), (1, 128)):
        device = f"pxb-pcie,id=node{node},bus=pcie.0,bus_nr={bus},numa_node={node}"
        bridges += ["-device", device]
    ports = [(f"bay{bay}", bay_node(bay)) for bay in range(BAYS)]
    ports += [(f"slot{slot}", slot_node(slot)) for slot in range(SLOTS)]
    for number, (name, node) in enumerate(ports, start=1):
        port = f"pcie-root-port,id={name},bus=node{node},chassis={number},slot={number}"
        bridges += ["-device", f"{port},io-reserve=0"]
    return [
        *(QEMU, "-name", hardware.name, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512"),
        *("-cpu", f"max,model-id={MODEL}", "-smp", "2,sockets=2,cores=1,threads=1"),
        *memory,
        *("-rtc", f"base={hardware.clock}"),
        *("-smbios", "type=1," + ",".join(f"{key}={value}" for key, value in dmi.items())),
        *bridges,
    ]


def _memory(hardware: Hardware, *, folder: Path | None = None, shared: bool = False) -> list[str]:
    words = ["-m", f"{hardware.memory_mib}M"]
    for node in (0, 1):
        if folder is None:
            backend = f"memory-backend-ram,id=memory{node}"
        else:
            path = folder / f"memory{node}"
            share = "on" if shared else "off"
            backend = f"memory-backend-file,id=memory{node},mem-path={path},share={share}"
        words += ["-object", f"{backend},size={hardware.memory_mib // 2}M"]
        words += ["-numa", f"node,nodeid={node},memdev=memory{node},cpus={node}"]
    return [*words, "-numa", f"dist,src=0,dst=1,val={NODE_DISTANCE}"]


def _firmware(hardware: Hardware, places: Places) -> list[str]:
    words: list[str] = []
    if hardware.firmware is Firmware.OVMF:
        words += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}"]
        words += ["-drive", f"if=pflash,format=raw,file={places.variables}"]
    if hardware.tpm:
        words += ["-chardev", f"socket,id=tpm,path={places.tpm}"]
        words += ["-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0"]
    return words


def _root(hardware: Hardware, places: Places) -> list[str]:
    cached = hardware.volatile_caches
    node = _cached(places.cache("root"), "root") if cached else _qcow2(places.root, "root")
    device = "virtio-blk-pci,drive=root,bus=pcie.0,addr=0x4"
    return ["-blockdev", json.dumps(node), "-device", device]


def _cached(socket: Path, node: str) -> dict[str, Any]:
    server = {"type": "unix", "path": str(socket)}
    return {"driver": "nbd", "node-name": node, "discard": "unmap", "server": server}


def _qcow2(file: Path, node: str) -> dict[str, Any]:
    """A file that ignores flushes: quick, and of no use for a test that cuts the power."""
    return {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "cache": {"no-flush": True},
        "file": {"driver": "file", "filename": str(file)},
    }


def _kernel(hardware: Hardware, image: Image) -> list[str]:
    append = " ".join([*KERNEL_WORDS, *hardware.kernel_words])
    return ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", append]


def _management(places: Places, services: Sequence[Service]) -> list[str]:
    """A network of its own with no way out, but for ssh inwards and the rack's services."""
    words = ["user", "id=management", "restrict=on"]
    words.append(f"hostfwd=tcp:127.0.0.1:{places.ssh_port}-:22")
    for service in services:
        program = " ".join(service.command).replace(",", ",,")
        words.append(f"guestfwd=tcp:{SERVICES_ADDRESS}:{service.port}-cmd:{program}")
    card = f"virtio-net-pci,netdev=management,mac={MANAGEMENT_MAC},romfile=,bus=pcie.0,addr=0x5"
    return [
        *("-netdev", ",".join(words), "-device", card),
        *("-smbios", f"type=11,path={places.identity}"),
    ]


def _cables(hardware: Hardware | None) -> list[str]:
    """The near ends of the data cables; {tapN} becomes a number when QEMU is launched."""
    words = []
    for slot in range(len(hardware.nics) if hardware else 0):
        words += ["-netdev", f"tap,id=cable{slot},fd={{tap{slot}}}"]
    return words


def _consoles(places: Places) -> list[str]:
    return [
        *("-chardev", f"file,id=console,path={places.serial_log},append=on"),
        *("-serial", "chardev:console"),
        *("-qmp", f"unix:{places.qmp},server=on,wait=off"),
    ]
