"""The burn-in: what is measured, how it is judged, and who may serve with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.model import burnin
from landfall.model.environment import ROOT
from tests.playbooks.loading import load

RECORDED = Path(__file__).parent / "recorded"
FILE = ROOT / "playbooks/roles/burnin/files/landfall_burnin.py"
WHEN = "2026-11-21T18:00:00Z"


program: Any = load(FILE)
filters = load(ROOT / "playbooks/plugins/filter/landfall_burnin.py").FilterModule().filters()

HARDWARE: dict[str, Any] = {
    "cpu": {
        "model": "Intel(R) Xeon(R) Platinum 8368 CPU @ 2.40GHz",
        "sockets": 2,
        "cores": 152,
        "numa_nodes": 2,
    },
    "memory": {"mib": 515000, "ecc": True, "dimms": 16},
    "disks": [{"name": "nvme0n1", "serial": "S1", "model": "X", "bytes": 10, "numa_node": 0}],
    "nics": {
        "ens1": {"mac": "02:00:00:00:00:01", "speed_mbps": 25000, "numa_node": 0},
        "bond0": {"mac": "02:00:00:00:00:01", "speed_mbps": 50000, "numa_node": None},
    },
    "gpus": [{"address": "0000:4f:00.0", "device": "26b9", "numa_node": 0}],
}


class Machine:
    """Programs that answer as recorded, and the kernel's files below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.absent: set[str] = set()
        self.yaml = (RECORDED / "stress-ng.yaml").read_text()
        self.failing: dict[str, tuple[int, str]] = {}
        for node in (0, 1):
            self.put(f"sys/devices/system/node/node{node}/cpulist", "0-1\n")
        self.put("sys/class/nvme/nvme0/serial", "S1  \n")
        self.put("sys/devices/system/edac/mc/mc0/ue_count", "0\n")
        (root / "srv").mkdir()

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run(self, argv: Sequence[str], limit_s: float) -> tuple[int, str]:
        assert limit_s > 0
        self.asked.append(" ".join(argv))
        words = argv[3:] if argv[0] == "numactl" else argv
        if words[0] in self.absent:
            return 127, f"{words[0]}: No such file or directory"
        if words[0] in self.failing:
            return self.failing[words[0]]
        if words[0] == "stress-ng":
            Path(words[-1]).write_text(self.yaml)
        return self.answers().get(words[0], (0, ""))

    def answers(self) -> dict[str, tuple[int, str]]:
        return {
            "fio": (0, "fio: note\n" + (RECORDED / "fio.json").read_text()),
            "nvme": (0, json.dumps({"critical_warning": 0, "media_errors": 0})),
            "nvidia-smi": (0, (RECORDED / "h100-pcie.xml").read_text()),
            "dcgmi": (0, (RECORDED / "dcgmi-diag.json").read_text()),
        }

    def measure(self, level: int = 2) -> dict[str, Any]:
        plan = {
            "seconds": 10,
            "disk_seconds": 5,
            "folder": "/srv",
            "file_mib": 64,
            "dcgm_level": level,
        }
        measured: dict[str, Any] = program.measure(plan, self.run, self.root)
        return measured


def judged(measured: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = filters["burnin_record"](measured, hardware=HARDWARE, host="gpu-1", when=WHEN, **more)
    assert made == json.loads(json.dumps(made))
    return dict(made)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_everything_is_measured_node_by_node_and_nothing_is_left(machine: Machine) -> None:
    measured = machine.measure()
    assert measured["figures"]["cpu_ops_per_s"] == pytest.approx(8.613925)
    # two instances of 1963 MB/s read and 1309 MB/s written each
    assert measured["figures"]["memory_mb_s_node1"] == pytest.approx(6543.6, abs=0.1)
    assert measured["figures"]["disk_read_mib_s"] == pytest.approx(686.66, abs=0.01)
    assert measured["figures"]["disk_read_iops"] == pytest.approx(686.656672)
    assert measured["before"] == measured["after"]
    assert measured["after"]["disk S1 media_errors"] == 0
    assert [word for word in machine.asked if word.startswith("numactl")][1].startswith(
        "numactl --cpunodebind=1 --membind=1 stress-ng --stream 2"
    )
    assert list((machine.root / "srv").iterdir()) == []


def test_a_run_that_is_too_short_is_a_failure_and_no_figure(machine: Machine) -> None:
    machine.yaml = "metrics:\n    - stressor: stream\n"
    measured = machine.measure(level=0)
    assert "too short" in measured["failed"]["memory_mb_s_node0"]
    assert "memory_mb_s_node0" not in measured["figures"]


def test_what_is_not_there_is_said_and_what_fails_fails(machine: Machine) -> None:
    machine.absent = {"fio"}
    machine.failing = {"stress-ng": (2, "cpu: matrixprod verification failed")}
    made = judged(machine.measure(level=0))
    assert "fio: No such file" in made["not_measured"]["disk_read_mib_s"]
    assert any("verification failed" in problem for problem in made["problems"])
    assert not made["passed"]


def test_a_good_host_passes_and_unknown_bounds_are_recorded_only(machine: Machine) -> None:
    measured = machine.measure()
    for node in (0, 1):
        measured["figures"][f"memory_mb_s_node{node}"] = 150000.0
    made = judged(measured, network=[{"to": "gpu-2", "gbit_s": 23.5, "speed_gbps": 25}])
    assert made["problems"] == []
    assert made["passed"]
    least = {each["name"]: each["least"] for each in made["results"]}
    assert least["disk_read_mib_s"] is None
    assert least["memory_mb_s_node0"] == 0.5 * 204800
    assert least["network_to_gpu-2"] == pytest.approx(21.25)


def test_a_sites_own_bounds_take_the_place_of_the_catalogs(machine: Machine) -> None:
    measured = machine.measure()
    assert not judged(measured)["passed"]  # 6.5 GB/s of memory
    assert judged(measured, bounds={"memory_share": "unknown"})["passed"]
    made = judged(measured, bounds={"memory_share": 0.01, "disk_read_iops": 1000})
    assert made["problems"] == ["disk_read_iops: 686.657 read_iops, at least 1000 is needed"]
    with pytest.raises(ValueError, match="no disk_speed; there are network_share"):
        judged(measured, bounds={"disk_speed": 1})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "memory": (
        {"figures": {"memory_mb_s_node0": 90000.0}},
        "memory_mb_s_node0: 90000 MB/s, at least",
    ),
    "xid": ({"after": {"gpu_xids": 1}}, "gpu_xids: 1 new during the burn-in"),
    "ecc": ({"after": {"memory_ue_count": 2}}, "memory_ue_count: 2 new"),
    "smart": ({"after": {"disk S1 critical_warning": 4}}, "the disk itself says"),
    "gpu": ({"diag": (RECORDED / "dcgmi-diag-failed.json").read_text()}, "2 double-bit ECC errors"),
    "no result": ({"diag": "Error: no hostengine"}, "did not print its results"),
}


@pytest.mark.parametrize("case", BAD)
def test_each_fault_fails_with_its_cause(case: str) -> None:
    changed, expected = BAD[case]
    measured: dict[str, Any] = {
        "figures": {}, "skipped": {}, "failed": {}, "before": {}, "after": {}, "diag": "",
    }  # fmt: skip
    made = judged(measured | changed)
    assert any(expected in problem for problem in made["problems"])
    assert not made["passed"]


def test_a_slow_pair_fails(machine: Machine) -> None:
    made = judged(machine.measure(), network=[{"to": "gpu-2", "gbit_s": 9.4, "speed_gbps": 25}])
    assert "network_to_gpu-2: 9.4 Gbit/s, at least 21.25 is needed" in made["problems"]
    made = judged(machine.measure(0), network=[{"to": "x", "gbit_s": 0.1, "speed_gbps": None}])
    assert not any("network" in problem for problem in made["problems"])


def test_a_diagnostic_is_read_whatever_comes_before_it() -> None:
    text = (RECORDED / "dcgmi-diag.json").read_text()
    tests = burnin.parse_diag("Warning: something\n" + text)
    assert [(test["name"], test["status"]) for test in tests] == [
        ("software", "Pass"), ("pcie", "Pass"), ("memory", "Pass"), ("targeted_power", "Skip"),
    ]  # fmt: skip
    results = [{"gpu_ids": "0", "status": "PASS"}, {"status": "FAIL", "warnings": "x"}]
    category = {"tests": [{"name": "Memory", "results": results}]}
    old = {"DCGM GPU Diagnostic": {"test_categories": [category]}}  # DCGM 3
    assert burnin.parse_diag(json.dumps(old)) == [
        {"name": "Memory", "status": "Fail", "warnings": ["x"]}
    ]


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["DCGM Diagnostic", "test_categories", "tests", "results", "name", "status"]), inner)))  # fmt: skip  # noqa: E501
def test_any_other_output_is_refused_or_read_but_never_breaks(value: Any) -> None:
    try:
        tests = burnin.parse_diag(json.dumps(value))
    except ValueError:
        return
    assert all({"name", "status", "warnings"} == set(test) for test in tests)


PASSED: dict[str, Any] = {
    "version": 1, "hardware": burnin.digest(HARDWARE, ["GPU-1"]), "when": WHEN, "passed": True,
    "problems": [],
    "results": [{"name": "disk_read_mib_s", "value": 1000.0, "unit": "MiB/s", "least": None}],
}  # fmt: skip
NOT_ADMITTED = {
    "no record": ({}, "no burn-in record; run playbooks/burnin.yml"),
    "failed": ({**PASSED, "passed": False, "problems": ["gpu_xids: 1 new"]}, "failed: gpu_xids"),
    "version": ({**PASSED, "version": 0}, "version 0, not 1"),
    "hardware": ({**PASSED, "hardware": "x"}, "not that of its burn-in"),
}


@pytest.mark.parametrize("case", NOT_ADMITTED)
def test_who_may_not_serve_is_told_why(case: str) -> None:
    kept, expected = NOT_ADMITTED[case]
    assert expected in burnin.refusal(kept, HARDWARE, ["GPU-1"])


def test_a_passing_record_admits_until_a_part_is_replaced() -> None:
    assert burnin.refusal(PASSED, HARDWARE, ["GPU-1"]) == ""
    assert burnin.refusal(PASSED, HARDWARE, ["GPU-2"]) != ""
    for part, value in {
        "disks": [{**HARDWARE["disks"][0], "serial": "S2"}],
        "nics": {"ens1": {**HARDWARE["nics"]["ens1"], "mac": "02:00:00:00:00:09"}},
        "memory": {**HARDWARE["memory"], "mib": 384000},
        "cpu": {**HARDWARE["cpu"], "cores": 76},
        "gpus": [],
    }.items():
        assert burnin.refusal(PASSED, {**HARDWARE, part: value}, ["GPU-1"]) != ""


@given(st.integers(0, 900), st.sampled_from(["up", "nvme3n1"]))
def test_what_nobody_unscrewed_does_not_matter(mib: int, name: str) -> None:
    changed = copy.deepcopy(HARDWARE)
    changed["memory"]["mib"] = 514048 + mib
    changed["disks"][0]["name"] = name
    changed["nics"]["bond0"]["mac"] = None
    changed["nics"]["ens1"]["speed_mbps"] = mib
    assert burnin.digest(changed) == burnin.digest(HARDWARE)


def test_drift_is_told_beyond_what_is_tolerated() -> None:
    def at(value: float) -> dict[str, Any]:
        return {"results": [{**PASSED["results"][0], "value": value}]}

    assert burnin.drift(PASSED, at(901)) == []
    assert burnin.drift(PASSED, at(899)) == ["disk_read_mib_s: 899 MiB/s, was 1000"]


@given(st.sets(st.text("abc", min_size=1), max_size=9))
def test_in_a_ring_each_host_sends_once_and_receives_once(names: set[str]) -> None:
    found = burnin.pairs({name: f"10.0.0.{index}" for index, name in enumerate(names)})
    assert len(found) == (len(names) if len(names) > 1 else 0)
    assert {each["from"] for each in found} == {each["to"] for each in found}
    assert all(each["from"] != each["to"] for each in found)


def test_every_threshold_is_a_number_or_unknown_and_has_a_source() -> None:
    bounds = burnin.catalog()["any"]
    assert all(value == "unknown" or value > 0 for value in bounds.values())
    assert set(burnin.SPEEDS) <= set(bounds)
    assert all(each["source"] for each in burnin.catalog()["memory_peak_mb_s"].values())
