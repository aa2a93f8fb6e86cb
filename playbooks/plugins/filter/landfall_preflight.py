"""What of a host is not as its inventory promises: a pure function of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MEMORY_TOLERANCE = 0.94
"""Firmware and the kernel keep a few percent of what is plugged in."""

NVIDIA = "10de"
"""PCI vendor id; see the PCI ID repository."""

FUNCTION_BITS = 0x7
"""The lowest three bits of a PCI devfn: function 0 is the GPU, its sound device is function 1."""


def preflight_problems(
    host: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    pci: str = "",
    controller_epoch: int = 0,
    max_clock_offset_s: int = 30,
) -> list[str]:
    """Every difference as one line: what is promised, and what is there.

    `facts` are Ansible's, `pci` is the text of /proc/bus/pci/devices, and `controller_epoch` is
    the controller's time in seconds.
    """
    offset = abs(int(facts["date_time"]["epoch"]) - controller_epoch)
    clock = [f"clock: {offset} s away from the controller's; at most {max_clock_offset_s} s"]
    return [
        *_system(host, facts),
        *_nics(host["nics"], facts),
        *_disks(host["disks"], facts.get("devices", {})),
        *_gpus(host["gpus"], pci),
        *(clock if offset > max_clock_offset_s else []),
    ]


def _system(host: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    wanted = f"{host['os']['distribution']} {host['os']['release']}"
    found = f"{facts['distribution']} {facts['distribution_major_version']}"
    if wanted != found:
        yield f"os: promised {wanted}, found {found}"
    cores = int(facts["processor_vcpus"])
    if cores < host["cpu"]["min_cores"]:
        yield f"cpu.min_cores: promised {host['cpu']['min_cores']}, found {cores}"
    gib = int(facts["memtotal_mb"]) / 1024
    if gib < host["memory_gib"]["min"] * MEMORY_TOLERANCE:
        yield f"memory_gib.min: promised {host['memory_gib']['min']}, found {gib:.1f}"


def _nics(nics: list[Mapping[str, Any]], facts: Mapping[str, Any]) -> Iterator[str]:
    for nic in nics:
        found = facts.get(nic["name"].replace("-", "_"))
        path = f"nics.{nic['name']}"
        if not found:
            yield f"{path}: promised, but there is no such card"
            continue
        if found.get("macaddress", "").lower() != nic["mac"].lower():
            yield f"{path}.mac: promised {nic['mac']}, found {found.get('macaddress')}"
        speed = int(found.get("speed") or 0)  # megabit per second; 0 or -1 where it is not known
        if 0 < speed < nic["speed_gbps"] * 1000:
            yield f"{path}.speed_gbps: promised {nic['speed_gbps']}, found {speed / 1000:g}"
        if not found.get("active", True):
            yield f"{path}: has no carrier"


def _disks(disks: list[Mapping[str, Any]], devices: Mapping[str, Any]) -> Iterator[str]:
    serials = {each.get("serial") for each in devices.values()}
    for disk in disks:
        if disk["serial"] not in serials:
            yield f"disks: no disk has the serial number {disk['serial']}"


def _gpus(gpus: list[Mapping[str, Any]], pci: str) -> Iterator[str]:
    rows = [line.split() for line in pci.splitlines()]
    found = [
        row[1] for row in rows if row[1].startswith(NVIDIA) and not int(row[0], 16) & FUNCTION_BITS
    ]
    if len(found) != len(gpus):
        yield f"gpus: promised {len(gpus)}, found {len(found)}"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"preflight_problems": preflight_problems}
