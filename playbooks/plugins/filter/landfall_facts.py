"""The facts of a host that are declared: what stays the same until somebody changes the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from landfall.model.draft import draft

HEAD = """# What this host is, as it was found. Copy it to host_vars, and add what it is to become:
# bonds, addresses and the array.
"""


def declared_facts(
    facts: Mapping[str, Any], unit: Mapping[str, Any], promised: Mapping[str, Any]
) -> dict[str, Any]:
    """Hardware, versions and unit of a host, without uptime, free memory or addresses of leases.

    `facts` are Ansible's, `unit` is what landfall_unit read, `promised` is the host's entry in
    the inventory. The same host gives the same value, in the same order.
    """
    return {
        "machine": {
            "vendor": facts.get("system_vendor", ""),
            "product": facts.get("product_name", ""),
            "serial": facts.get("product_serial", ""),
            "firmware": facts.get("bios_version", ""),
            "firmware_date": facts.get("bios_date", ""),
        },
        "system": {
            "distribution": facts["distribution"],
            "release": facts["distribution_version"],
            "kernel": unit["kernel"],
            "secure_boot": facts.get("secure_boot"),
        },
        "processor": {
            "model": (facts.get("processor") or ["", "", ""])[-1],
            "sockets": facts["processor_count"],
            "cores": facts["processor_cores"],
            "threads": facts["processor_vcpus"],
        },
        "memory_mib": facts["memtotal_mb"],
        "disks": _disks(facts.get("devices") or {}),
        "nics": _nics(facts),
        "unit": {name: unit[name] for name in sorted(unit)},
        "promised": promised,
    }


def _disks(devices: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = [
        {
            "name": name,
            "serial": each["serial"],
            "model": each.get("model") or "",
            "size": each.get("size") or "",
        }
        for name, each in devices.items()
        if each.get("serial")
    ]
    return sorted(found, key=lambda each: str(each["serial"]))


def _nics(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in sorted(facts.get("interfaces") or []):
        each = facts.get(name.replace("-", "_")) or {}
        if each.get("type") in {"ether", "bonding"} and each.get("macaddress"):
            speed = int(each.get("speed") or 0)  # Mbit/s; -1 where it is not known
            known = {"name": name, "mac": each["macaddress"], "mtu": each.get("mtu")}
            found.append({**known, "speed_mbps": speed if speed > 0 else None})
    return found


def drafted_host(hardware: Mapping[str, Any]) -> str:
    """A first version of the host's file in `host_vars`, from what landfall_hardware read."""
    return HEAD + str(yaml.safe_dump({"host": draft(hardware)}, sort_keys=False))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"declared_facts": declared_facts, "drafted_host": drafted_host}
