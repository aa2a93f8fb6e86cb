"""What is read of a server, from files laid out as the kernel lays out its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.loading import plugin

hardware = plugin("modules", "landfall_hardware")

DMIDECODE = """
Physical Memory Array
	Error Correction Type: Multi-bit ECC

Memory Device
	Size: 32 GB
	Locator: A1

Memory Device
	Size: No Module Installed
	Locator: A2
"""
"""Cut from what dmidecode 3.4 prints; the sizes are made up."""

LSBLK = json.dumps(
    {
        "blockdevices": [
            {
                "name": "nvme0n1",
                "type": "disk",
                "serial": "S1 ",
                "model": "M",
                "size": 960197124096,
            },
            {"name": "loop0", "type": "loop", "serial": None, "model": None, "size": 4096},
        ]
    }
)


def put(root: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    cpu = "".join(
        f"processor\t: {n}\nmodel name\t: Intel(R) Xeon(R) Gold 6338\nphysical id\t: {n // 2}\n\n"
        for n in range(4)
    )
    slot = "sys/devices/pci0000:40/0000:40:02.0"
    card = "sys/devices/pci0000:40/0000:40:01.0"
    put(
        tmp_path,
        {
            "proc/cpuinfo": cpu,
            "proc/meminfo": "MemTotal:       263837696 kB\nMemFree: 1 kB\n",
            "proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
            "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "sys/devices/system/node/node0/x": "",
            "sys/devices/system/node/node1/x": "",
            f"sys/firmware/efi/efivars/{hardware.SECURE_BOOT}": b"\x06\0\0\0\x01",
            "sys/class/net/eth0/address": "02:00:00:00:00:01\n",
            "sys/class/net/eth0/speed": "25000\n",
            "sys/class/net/eth0/carrier": "1\n",
            f"{slot}/numa_node": "1\n",
            f"{slot}/virtio3/x": "",
            "sys/class/net/eth1/address": "02:00:00:00:00:01\n",
            "sys/class/net/eth1/bonding_slave/perm_hwaddr": "02:00:00:00:00:02\n",
            "sys/class/net/eth1/speed": "-1\n",
            f"{card}/numa_node": "1\n",
            f"{card}/current_link_width": "4\n",
            f"{card}/nvme/nvme0/nvme0n1/size": "8\n",
            "sys/bus/pci/devices/0000:17:00.0/vendor": "0x10de\n",
            "sys/bus/pci/devices/0000:17:00.0/class": "0x030200\n",
            "sys/bus/pci/devices/0000:17:00.0/device": "0x26b9\n",
            "sys/bus/pci/devices/0000:17:00.0/numa_node": "0\n",
            "sys/bus/pci/devices/0000:17:00.0/current_link_width": "16\n",
            "sys/bus/pci/devices/0000:17:00.1/vendor": "0x10de\n",
            "sys/bus/pci/devices/0000:17:00.1/class": "0x040300\n",
        },
    )
    (tmp_path / "sys/class/net/eth0/device").symlink_to(tmp_path / slot / "virtio3")
    block = tmp_path / "sys/class/block"
    block.mkdir(parents=True)
    (block / "nvme0n1").symlink_to(tmp_path / card / "nvme/nvme0/nvme0n1")
    return tmp_path


def test_everything_is_read(root: Path) -> None:
    found: Any = hardware.read(root, lsblk=LSBLK, dmidecode=DMIDECODE)
    assert found["cpu"] == {
        "model": "Intel(R) Xeon(R) Gold 6338",
        "sockets": 2,
        "cores": 4,
        "numa_nodes": 2,
    }
    assert found["memory"] == {"mib": 257654, "ecc": True, "dimms": 1}
    assert found["system"] == {
        "distribution": "Debian",
        "release": "12",
        "kernel": "6.1.0-40-amd64",
        "secure_boot": True,
        "efi": True,
    }
    [disk] = found["disks"]
    assert (disk["serial"], disk["numa_node"], disk["pcie_width"]) == ("S1", 1, 4)
    [gpu] = found["gpus"]
    assert (gpu["device"], gpu["numa_node"], gpu["pcie_width"]) == ("26b9", 0, 16)


def test_a_port_in_a_bond_has_its_own_address(root: Path) -> None:
    found = hardware.ports(root)
    assert found["eth1"]["mac"] == "02:00:00:00:00:02"
    assert found["eth1"]["speed_mbps"] is None
    assert found["eth0"] == {
        "mac": "02:00:00:00:00:01",
        "speed_mbps": 25000,
        "carrier": True,
        "hardware": True,
        "numa_node": 1,
    }


def test_what_cannot_be_read_is_null(tmp_path: Path) -> None:
    found: Any = hardware.read(tmp_path, lsblk="", dmidecode="")
    assert found["memory"] == {"mib": 0, "ecc": None, "dimms": None}
    assert found["cpu"]["sockets"] is None
    assert found["system"]["secure_boot"] is None
    assert found["disks"] == found["gpus"] == []
