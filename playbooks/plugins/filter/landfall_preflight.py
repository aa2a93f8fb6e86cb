"""What of a host is not as its inventory promises: a pure function of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from landfall.model.gpu import MODELS

MEMORY_TOLERANCE = 0.94
"""Firmware and the kernel keep a few percent of what is plugged in."""

DISK_TOLERANCE = 0.02
"""Makers round; a disk of 960 GB has 960 197 124 096 bytes."""

SYSTEMS = {("Debian", "12"), ("Ubuntu", "24.04")}
"""What the roles know; anything else is refused."""

Table = Mapping[str, Any]


def preflight_problems(
    host: Table,
    found: Table,
    *,
    firmware: Table | None = None,
    controller_epoch: int = 0,
    max_clock_offset_s: int = 30,
) -> list[str]:
    """Every difference as one line: what is promised, and what is there.

    `host` is `landfall_host`, `found` is what the module landfall_hardware read, `firmware` is
    what the machine's controller answered (`versions` and `attributes`, by name), and
    `controller_epoch` the controller's time in seconds.
    """
    return [
        *_system(host["os"], found["system"]),
        *_cpu(host["cpu"], found["cpu"]),
        *_memory(host, found),
        *_nics(host["nics"], found["nics"]),
        *_disks(host["disks"], found["disks"]),
        *_gpus(host["gpus"], found["gpus"]),
        *_firmware(host.get("firmware"), firmware or {}),
        *_clock(int(found["epoch"]) - controller_epoch, max_clock_offset_s),
    ]


def preflight_report(problems: Mapping[str, Sequence[str]]) -> str:
    """The differences of all hosts as one text."""
    lines = []
    for host in sorted(problems):
        lines += [f"{host} is not what the inventory promises:"] if problems[host] else []
        lines += [f"  {each}" for each in problems[host]]
    return "\n".join(lines)


def _differs(path: str, promised: object, found: object) -> Iterator[str]:
    """One line where something promised is not there; what is not promised is not compared."""
    if promised is None or promised == found:
        return
    there = "could not be read" if found is None else f"found {found}"
    yield f"{path}: promised {promised}, {there}"


def _system(promised: Table, found: Table) -> Iterator[str]:
    name, release = found["distribution"], found["release"]
    if (name, release) not in SYSTEMS:
        known = " and ".join(" ".join(each) for each in sorted(SYSTEMS))
        yield f"os: {name} {release} is not supported; {known} are"
    yield from _differs(
        "os", f"{promised['distribution']} {promised['release']}", f"{name} {release}"
    )
    yield from _differs("os.secure_boot", promised.get("secure_boot"), found["secure_boot"])
    oldest = promised.get("kernel")
    if oldest and _version(found["kernel"]) < _version(oldest):
        yield f"os.kernel: promised at least {oldest}, found {found['kernel']}"


def _version(text: str) -> tuple[int, ...]:
    """The numbers at the beginning of a kernel's release."""
    numbers = []
    for part in text.split("-", maxsplit=1)[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _cpu(promised: Table, found: Table) -> Iterator[str]:
    if found["cores"] < promised["min_cores"]:
        yield f"cpu.min_cores: promised {promised['min_cores']}, found {found['cores']}"
    for field in ("model", "sockets", "numa_nodes"):
        yield from _differs(f"cpu.{field}", promised.get(field), found[field])


def _memory(host: Table, found: Table) -> Iterator[str]:
    promised, there = host["memory_gib"], found["memory"]
    gib = there["mib"] / 1024
    if gib < promised["min"] * MEMORY_TOLERANCE:
        yield f"memory_gib.min: promised {promised['min']}, found {gib:.1f}"
    for field in ("ecc", "dimms"):
        yield from _differs(f"memory_gib.{field}", promised.get(field), there[field])
    channels = promised.get("channels_per_socket", 8) * (found["cpu"]["sockets"] or 1)
    per_channel = None if there["dimms"] is None else -(-there["dimms"] // channels)
    yield from _differs(
        "memory_gib.dimms_per_channel", promised.get("dimms_per_channel"), per_channel
    )


def _nics(promised: Sequence[Table], found: Mapping[str, Table]) -> Iterator[str]:
    # By address: the role network gives ports the names that the inventory has for them.
    by_mac = {(each["mac"] or "").lower(): each for each in found.values()}
    for nic in promised:
        path, there = f"nics.{nic['name']}", by_mac.get(nic["mac"])
        if there is None:
            named = found.get(nic["name"])
            told = f"found {named['mac']}" if named else "no port has this address"
            yield f"{path}.mac: promised {nic['mac']}, {told}"
            continue
        yield from _differs(f"{path}.numa_node", nic.get("numa_node"), there["numa_node"])
        speed = there["speed_mbps"]
        if speed and nic.get("speed_gbps") and speed < nic["speed_gbps"] * 1000:
            yield f"{path}.speed_gbps: promised {nic['speed_gbps']}, found {speed / 1000:g}"
        if there["carrier"] is False:
            yield f"{path}: has no carrier; look at the cable and the switch's port"


def _disks(promised: Sequence[Table], found: Sequence[Table]) -> Iterator[str]:
    # A namespace is a disk, too: one serial number may only stand for one.
    count = Counter(each["serial"] for each in found)
    by_serial = {each["serial"]: each for each in found}
    for disk in promised:
        serial = disk["serial"]
        path, there = f"disks.{serial}", by_serial.get(serial)
        if there is None:
            yield f"disks: no disk has the serial number {serial}"
            continue
        if count[serial] > 1:
            yield f"disks: {count[serial]} disks have the serial number {serial}"
        size = there["bytes"] / 1e9
        if disk.get("size_gb") and abs(size / disk["size_gb"] - 1) > DISK_TOLERANCE:
            yield f"{path}.size_gb: promised {disk['size_gb']}, found {size:.1f}"
        for field in ("model", "numa_node", "pcie_width"):
            yield from _differs(f"{path}.{field}", disk.get(field), there[field])


def _gpus(promised: Sequence[Table], found: Sequence[Table]) -> Iterator[str]:
    wanted = sum(each["count"] for each in promised)
    if len(found) != wanted:
        yield f"gpus: promised {wanted}, found {len(found)}"
    for each in promised:
        same = [gpu for gpu in found if MODELS.get(gpu["device"], gpu["device"]) == each["model"]]
        path = f"gpus.{each['model']}"
        if len(same) != each["count"]:
            others = sorted(MODELS.get(gpu["device"], f"10de:{gpu['device']}") for gpu in found)
            yield f"{path}: promised {each['count']}, found {len(same)} of {others}"
            continue
        nodes = sorted(gpu["numa_node"] for gpu in same if gpu["numa_node"] is not None)
        if each.get("numa_nodes") and sorted(each["numa_nodes"]) != nodes:
            yield f"{path}.numa_nodes: promised {sorted(each['numa_nodes'])}, found {nodes}"
        for gpu in same:
            width = gpu["pcie_width"]
            yield from _differs(
                f"{path}.pcie_width ({gpu['address']})", each.get("pcie_width"), width
            )


def _firmware(promised: Table | None, found: Table) -> Iterator[str]:
    if promised is None:
        return
    for kind in ("versions", "attributes"):
        there = found.get(kind) or {}
        for name, value in promised[kind].items():
            path = f"firmware.{kind}.{name}"
            if name not in there:
                yield f"{path}: {promised['redfish']} does not know it"
            else:
                yield from _differs(path, str(value), str(there[name]))


def _clock(offset: int, most: int) -> Iterator[str]:
    if abs(offset) > most:
        yield f"clock: {abs(offset)} s away from the controller's; at most {most} s"


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"preflight_problems": preflight_problems, "preflight_report": preflight_report}
