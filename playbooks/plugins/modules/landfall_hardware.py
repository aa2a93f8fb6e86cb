#!/usr/bin/python
"""Read what a server is made of: processors, memory, disks, ports and GPUs, and where they hang."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_hardware
short_description: Read what a server is made of
description:
  - Reads the kernel's own files, lsblk and dmidecode, and changes nothing.
  - What cannot be read is null, never a guess.
options: {}
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Read the hardware
  landfall_hardware:
  register: found
"""

RETURN = r"""
hardware:
  description: Processors, memory, system, ports, disks and GPUs.
  returned: always
  type: dict
"""

NVIDIA = "0x10de"
"""PCI vendor id; see the PCI ID repository."""

DISPLAY = "0x03"
"""PCI base class of display controllers (PCI Code and ID Assignment Specification)."""

SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
"""The EFI variable and its namespace (UEFI specification, global variables)."""


def text(path: Path) -> str | None:
    """The content of a file of the kernel's, or None where there is none."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def number(path: Path) -> int | None:
    """A whole number in a file of the kernel's; None where there is none, or it says -1."""
    try:
        found = int(text(path) or "")
    except ValueError:
        return None
    return found if found >= 0 else None


def processors(root: Path) -> dict[str, Any]:
    """Model, sockets, logical processors and NUMA nodes."""
    info = text(root / "proc/cpuinfo") or ""
    models = re.findall(r"^model name\s*: (.*)$", info, re.M)
    sockets = set(re.findall(r"^physical id\s*: (\d+)$", info, re.M))
    nodes = list((root / "sys/devices/system/node").glob("node[0-9]*"))
    return {
        "model": models[0].strip() if models else None,
        "sockets": len(sockets) or None,
        "cores": len(re.findall(r"^processor\s*:", info, re.M)),
        "numa_nodes": len(nodes) or None,
    }


def memory(root: Path, dmidecode: str) -> dict[str, Any]:
    """Size in MiB as the kernel has it; ECC and plugged modules as the firmware says."""
    size = re.search(r"^MemTotal:\s*(\d+) kB", text(root / "proc/meminfo") or "", re.M)
    correction = re.findall(r"^\s*Error Correction Type: (.*)$", dmidecode, re.M)
    devices = re.findall(r"^\s*Size: (.*)$", dmidecode, re.M)
    return {
        "mib": int(size[1]) // 1024 if size else 0,
        "ecc": all("ECC" in each for each in correction) if correction else None,
        "dimms": sum(each[0].isdigit() for each in devices) if devices else None,
    }


def system(root: Path) -> dict[str, Any]:
    """Distribution, kernel, and whether Secure Boot is on; null where there is no EFI."""
    lines = (text(root / "etc/os-release") or "").splitlines()
    release = dict(line.split("=", 1) for line in lines if "=" in line)
    secure = None
    with contextlib.suppress(OSError, IndexError):
        # four bytes of attributes come before the value
        secure = (root / "sys/firmware/efi/efivars" / SECURE_BOOT).read_bytes()[4] == 1
    return {
        "distribution": release.get("ID", "").strip('"').capitalize(),
        "release": release.get("VERSION_ID", "").strip('"'),
        "kernel": text(root / "proc/sys/kernel/osrelease"),
        "secure_boot": secure,
        "efi": (root / "sys/firmware/efi").is_dir(),
    }


def ports(root: Path) -> dict[str, Any]:
    """Network ports by name; a port in a bond with its own address, not the bond's."""
    found = {}
    for folder in sorted((root / "sys/class/net").glob("*")):
        own = text(folder / "bonding_slave/perm_hwaddr")
        found[folder.name] = {
            "mac": own or text(folder / "address"),
            "hardware": (folder / "device").exists(),
            "speed_mbps": number(folder / "speed") or None,
            "carrier": {"1": True, "0": False}.get(text(folder / "carrier") or ""),
            "numa_node": above(folder / "device", "numa_node"),
        }
    return found


def disks(root: Path, listed: str) -> list[dict[str, Any]]:
    """Whole disks, as lsblk lists them, with the place of each on the PCI bus."""
    found = []
    for each in json.loads(listed or "{}").get("blockdevices", []):
        if each.get("type") != "disk":
            continue
        place = root / "sys/class/block" / each["name"]
        found.append(
            {
                "name": each["name"],
                "serial": (each.get("serial") or "").strip() or None,
                "model": (each.get("model") or "").strip() or None,
                "bytes": int(each.get("size") or 0),
                "numa_node": above(place, "numa_node"),
                "pcie_width": above(place, "current_link_width"),
            }
        )
    return found


def above(place: Path, name: str) -> int | None:
    """The number in the nearest file `name` at or above a device in the tree of devices.

    A virtual card has none itself; the PCI function that it belongs to has.
    """
    device = place.resolve()
    for folder in (device, *device.parents):
        if (folder / name).is_file():
            return number(folder / name)
        if folder.name == "devices":
            return None
    return None


def gpus(root: Path) -> Iterator[dict[str, Any]]:
    """NVIDIA's display controllers; a GPU's sound device is none."""
    for folder in sorted((root / "sys/bus/pci/devices").glob("*")):
        if text(folder / "vendor") != NVIDIA:
            continue
        if not (text(folder / "class") or "").startswith(DISPLAY):
            continue
        yield {
            "address": folder.name,
            "device": (text(folder / "device") or "").removeprefix("0x"),
            "numa_node": number(folder / "numa_node"),
            "pcie_width": number(folder / "current_link_width"),
        }


def read(root: Path, *, lsblk: str, dmidecode: str) -> dict[str, Any]:
    """Everything, from the files below `root` and what the two programs printed."""
    return {
        "cpu": processors(root),
        "memory": memory(root, dmidecode),
        "system": system(root),
        "nics": ports(root),
        "disks": disks(root, lsblk),
        "gpus": list(gpus(root)),
        "epoch": int(time.time()),
    }


def main() -> None:
    """Read and tell."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)

    def asked(*words: str) -> str:
        program = module.get_bin_path(words[0])
        if not program:
            return ""
        code, out, _ = module.run_command([program, *words[1:]])
        return str(out) if code == 0 else ""

    lsblk = asked("lsblk", "--json", "--bytes", "--nodeps", "--output=NAME,TYPE,SERIAL,MODEL,SIZE")
    memories = asked("dmidecode", "--quiet", "--type=16", "--type=17")
    module.exit_json(changed=False, hardware=read(Path("/"), lsblk=lsblk, dmidecode=memories))


if __name__ == "__main__":
    main()
