"""Every difference between what is promised and what is there, each as one line."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from landfall.model.host import Host
from tests.playbooks.loading import plugin

preflight = plugin("filter", "landfall_preflight")
facts = plugin("filter", "landfall_facts")

CASES = tomllib.loads(Path(__file__).with_name("preflight.toml").read_text())["case"]

PROMISED: dict[str, Any] = {
    "cpu": {"min_cores": 64, "model": "Gold 6338", "sockets": 2, "numa_nodes": 2},
    "memory_gib": {"min": 256, "ecc": True, "dimms": 16, "dimms_per_channel": 1},
    "os": {"distribution": "Debian", "release": "12", "kernel": "6.1.100", "secure_boot": True},
    "nics": [{"name": "eth0", "mac": "02:00:00:00:00:01", "speed_gbps": 25, "numa_node": 0}],
    "disks": [
        {"serial": "S1", "size_gb": 960, "model": "PM9A3", "numa_node": 1, "pcie_width": 4},
    ],
    "gpus": [{"model": "NVIDIA L40S", "count": 2, "numa_nodes": [0, 1], "pcie_width": 16}],
    "firmware": {
        "redfish": "10.0.0.1",
        "key_secret": "bmc",
        "versions": {"BIOS": "1.15.2"},
        "attributes": {"SysProfile": "PerfOptimized"},
    },
}

FOUND: dict[str, Any] = {
    "cpu": {"model": "Gold 6338", "sockets": 2, "cores": 128, "numa_nodes": 2},
    "memory": {"mib": 257654, "ecc": True, "dimms": 16},
    "system": {
        "distribution": "Debian",
        "release": "12",
        "kernel": "6.1.112-amd64",
        "secure_boot": True,
        "efi": True,
    },
    "nics": {
        "eth0": {"mac": "02:00:00:00:00:01", "speed_mbps": 25000, "carrier": True, "numa_node": 0}
        | {"hardware": True}
    },
    "disks": [
        {"name": "nvme0n1", "serial": "S1", "model": "PM9A3", "bytes": 960197124096}
        | {"numa_node": 1, "pcie_width": 4}
    ],
    "gpus": [
        {"address": f"0000:{bus}:00.0", "device": "26b9", "numa_node": node, "pcie_width": 16}
        for node, bus in enumerate(("17", "ca"))
    ],
    "epoch": 1000,
}
FIRMWARE = {"versions": {"BIOS": "1.15.2"}, "attributes": {"SysProfile": "PerfOptimized"}}


def put(table: Any, path: str, value: Any) -> Any:
    """A copy of `table` with the field at `path` set; a number in the path is an index."""
    copied = copy.deepcopy(table)
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    inner = copied
    for part in way:
        inner = inner[part]
    inner[last] = None if value == "nothing" else value
    return copied


def told(found: Any = FOUND, firmware: Any = FIRMWARE, promised: Any = PROMISED) -> list[str]:
    host = Host.model_validate(promised).model_dump(mode="json")
    return list(preflight.preflight_problems(host, found, firmware=firmware, controller_epoch=1000))


def test_a_host_as_promised_has_no_problem() -> None:
    assert told() == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["says"])
def test_what_is_not_as_promised_is_told(case: dict[str, Any]) -> None:
    found, firmware = FOUND, FIRMWARE
    if case["path"].startswith("firmware/"):
        firmware = put(FIRMWARE, case["path"].removeprefix("firmware/"), case["value"])
    else:
        found = put(FOUND, case["path"], case["value"])
    assert case["says"] in told(found, firmware)


def test_a_port_is_known_by_its_address_whatever_its_name() -> None:
    assert told({**FOUND, "nics": {"ens3": FOUND["nics"]["eth0"]}}) == []


def test_two_disks_with_one_serial_number() -> None:
    found = put(FOUND, "disks", [FOUND["disks"][0], {**FOUND["disks"][0], "name": "nvme1n1"}])
    assert told(found) == ["disks: 2 disks have the serial number S1"]


def test_what_is_not_promised_is_not_compared() -> None:
    promised = {
        "cpu": {"min_cores": 1},
        "memory_gib": {"min": 1},
        "os": {"distribution": "Debian", "release": "12"},
    }
    assert told({**FOUND, "gpus": []}, {}, promised) == []


def test_the_report_names_every_host_and_every_problem() -> None:
    report = preflight.preflight_report({"b": ["x: 1", "y: 2"], "a": [], "c": ["z: 3"]})
    assert report.splitlines() == [
        "b is not what the inventory promises:",
        "  x: 1",
        "  y: 2",
        "c is not what the inventory promises:",
        "  z: 3",
    ]


READABLE = (
    *("cpu/model", "cpu/sockets", "cpu/numa_nodes", "memory/ecc", "memory/dimms"),
    *("system/secure_boot", "nics/eth0/speed_mbps", "nics/eth0/numa_node"),
    *("disks/0/serial", "disks/0/model", "disks/0/numa_node", "disks/0/pcie_width"),
    *("gpus/0/numa_node", "gpus/1/pcie_width"),
)


@given(st.sets(st.sampled_from(READABLE)))
def test_a_draft_promises_what_is_there_whatever_could_be_read(unreadable: set[str]) -> None:
    found: Any = FOUND
    for path in unreadable:
        found = put(found, path, "nothing")
    promised = yaml.safe_load(facts.drafted_host(found))["host"]
    assert told(found, promised=promised) == []
    assert len(promised["disks"]) == ("disks/0/serial" not in unreadable)


def test_a_draft_has_every_part_that_is_hardware() -> None:
    bridge = {"mac": "02:00:00:00:00:09", "speed_mbps": None, "carrier": True, "numa_node": None}
    nics = {**FOUND["nics"], "br0": {**bridge, "hardware": False}}
    assert yaml.safe_load(facts.drafted_host({**FOUND, "nics": nics}))["host"] == {
        "cpu": {"min_cores": 128, "model": "Gold 6338", "sockets": 2, "numa_nodes": 2},
        "memory_gib": {"min": 251, "ecc": True, "dimms": 16},
        "os": {"distribution": "Debian", "release": "12", "kernel": "6.1", "secure_boot": True},
        "nics": [{"name": "eth0", "mac": "02:00:00:00:00:01", "speed_gbps": 25, "numa_node": 0}],
        "disks": [
            {"serial": "S1", "size_gb": 960.2, "model": "PM9A3", "numa_node": 1, "pcie_width": 4}
        ],
        "gpus": [
            {"model": "NVIDIA L40S", "count": 2, "numa_nodes": [0, 1], "pcie_width": 16},
        ],
    }
