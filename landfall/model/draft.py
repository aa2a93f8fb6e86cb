"""A first version of a host's file in the inventory, from what the host is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from landfall.model.gpu import MODELS


def draft(hardware: Mapping[str, Any]) -> dict[str, Any]:
    """What `host_vars` may say about a host, so that preflight finds nothing to complain of.

    `hardware` is what the module landfall_hardware read. What it could not read is left out.
    Bonds, addresses and the array are decisions, and not in it.
    """
    cpu, memory, system = hardware["cpu"], hardware["memory"], hardware["system"]
    promised = {name: cpu[name] for name in ("model", "sockets", "numa_nodes")}
    kernel = re.match(r"\d+\.\d+", system["kernel"] or "")
    return {
        "cpu": _known({"min_cores": cpu["cores"], **promised}),
        "memory_gib": _known(
            {"min": memory["mib"] // 1024, "ecc": memory["ecc"], "dimms": memory["dimms"]}
        ),
        "os": _known(
            {
                "distribution": system["distribution"],
                "release": system["release"],
                "kernel": kernel[0] if kernel else None,
                "secure_boot": system["secure_boot"],
            }
        ),
        "nics": list(_nics(hardware["nics"])),
        "disks": list(_disks(hardware["disks"])),
        "gpus": list(_gpus(hardware["gpus"])),
    }


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _nics(found: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Ports that are hardware; bridges, bonds and VLANs are not."""
    for name, each in sorted(found.items()):
        if not each["hardware"]:
            continue
        gbps = (each["speed_mbps"] or 0) // 1000
        yield _known(
            {
                "name": name,
                "mac": each["mac"].lower(),
                "speed_gbps": gbps or None,
                "numa_node": each["numa_node"],
            }
        )


def _disks(found: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for each in sorted(found, key=lambda each: str(each["serial"])):
        if each["serial"]:
            size = {"size_gb": round(each["bytes"] / 1e9, 2)}
            where = {name: each[name] for name in ("model", "numa_node", "pcie_width")}
            yield {"serial": each["serial"], **size, **_known(where)}


def _gpus(found: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    groups = defaultdict(list)
    for each in found:
        groups[each["device"]].append(each)
    for device, gpus in sorted(groups.items()):
        nodes = [gpu["numa_node"] for gpu in gpus]
        widths = {gpu["pcie_width"] for gpu in gpus}
        yield _known(
            {
                "model": MODELS.get(device, device),
                "count": len(gpus),
                "numa_nodes": None if None in nodes else nodes,
                "pcie_width": widths.pop() if len(widths) == 1 else None,
            }
        )
