"""The program that compares and sets GPUs, on recorded outputs and on a stand-in of nvidia-smi."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.model import gpu as model
from landfall.model.environment import ROOT
from landfall.model.host import Gpu
from tests.playbooks import stand_in_smi
from tests.playbooks.loading import load

RECORDED = Path(__file__).parent / "recorded"
FILE = ROOT / "playbooks/roles/gpu/files/landfall_gpu.py"
VERSION = "580.95.05"
OPENED = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release Build\n"


gpu_program: Any = load(FILE)


class Machine:
    """A host below `root` whose programs are stand-ins: GPUs, packages, Secure Boot."""

    def __init__(self, root: Path, *gpus: dict[str, Any]) -> None:
        self.root = root
        self.state: dict[str, Any] = {
            "driver": VERSION,
            "gpus": [
                {**stand_in_smi.GPU, "bus": f"00000000:{slot:02X}:00.0", **gpu}
                for slot, gpu in enumerate(gpus, start=0x4F)
            ],
        }
        self.answers = {
            "mokutil --sb-state": (0, "SecureBoot enabled\n"),
            "modinfo -F signer nvidia": (0, "DKMS module signing key\n"),
            f"mokutil --test-key {root / 'var/lib/dkms/mok.pub'}": (
                1,
                "mok.pub is already enrolled",
            ),
            "dpkg-query": (0, f"hi  {VERSION}-1"),
        }
        self.put("proc/driver/nvidia/version", OPENED)
        self.put("var/lib/dkms/mok.pub", "")
        for slot, _ in enumerate(gpus, start=0x4F):
            self.put(f"sys/bus/pci/devices/0000:{slot:02x}:00.0/numa_node", f"{slot % 2}\n")

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def run(self, argv: Sequence[str]) -> tuple[int, str]:
        if argv[0] == "nvidia-smi":
            return stand_in_smi.answer(self.state, list(argv[1:]))
        return self.answers.get(argv[0]) or self.answers[" ".join(argv)]

    def promise(self, *gpus: dict[str, Any], secure_boot: bool | None = None) -> None:
        written = [{"model": "NVIDIA H100 PCIe", "count": 1, **gpu} for gpu in gpus]
        parsed = [Gpu.model_validate(gpu).model_dump(mode="json") for gpu in written]
        assert model.refusals(parsed) == []
        promised = {
            "driver": {"package": "nvidia-driver-cuda", "version": VERSION},
            "secure_boot": secure_boot,
            "gpus": model.settings(parsed),
        }
        self.put("etc/landfall/gpu.json", json.dumps(promised))

    def do(self, verb: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        code = gpu_program.main([verb], self.run, self.root)
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert code == (1 if answer["problems"] and verb != "plan" else 0)
        return answer


def test_a_recorded_host_is_read_whole() -> None:
    text = (RECORDED / "h100-pcie.xml").read_text()
    version, gpus = gpu_program.parse_query(text, {"00000000:4F:00.0": 0}.get)
    assert version == VERSION
    first, second = gpus
    assert (first.name, first.pcie_width, first.ecc, first.mig) == (
        "NVIDIA H100 PCIe",
        16,
        True,
        False,
    )
    assert (first.numa_node, second.numa_node, first.processes, second.mig) == (0, None, 1, True)
    assert (first.power_w, first.power_least_w, first.power_default_w) == (350, 200, 350)
    listed = (RECORDED / "mig-lgi.txt").read_text()
    assert gpu_program.parse_instances(listed) == {1: ["1g.10gb+me", "3g.40gb", "3g.40gb"]}
    assert gpu_program.parse_instances((RECORDED / "mig-lgi-none.txt").read_text()) == {}


def test_what_a_gpu_lacks_is_unknown_and_what_it_suffers_is_told() -> None:
    [gpu] = gpu_program.parse_query((RECORDED / "l40s.xml").read_text(), lambda _: 0)[1]
    assert gpu.mig is None
    assert (gpu.ecc, gpu.uncorrected, gpu.repair_pending, gpu.pcie_width) == (False, 2, True, 8)


@pytest.mark.parametrize("text", ["", "NVIDIA-SMI has failed", "<html/>", "<nvidia_smi_log>"])
def test_what_is_not_its_output_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"nvidia-smi -q -x (printed|did not print XML)"):
        gpu_program.parse_query(text, lambda _: None)


@given(
    st.lists(st.tuples(st.integers(0, 15), st.sampled_from(["1g.10gb", "1g.10gb+me", "7g.94gb"])))
)
def test_every_listed_instance_is_found(rows: list[tuple[int, str]]) -> None:
    lines = [f"|  {gpu:>2}  MIG {name:<12}   19       {7}          0:4     |" for gpu, name in rows]
    found = gpu_program.parse_instances("\n+----+\n".join(lines))
    assert sorted((gpu, name) for gpu, names in found.items() for name in names) == sorted(rows)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_name_survives_reading(name: str) -> None:
    xml = f"<nvidia_smi_log><gpu><product_name>{escape(name)}</product_name></gpu></nvidia_smi_log>"
    [gpu] = gpu_program.parse_query(xml, lambda _: None)[1]
    assert gpu.name == name


def test_all_is_set_and_a_second_time_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {}, {})
    machine.promise(
        {"mig": "1g.10gb", "power_limit_w": 300, "clocks_mhz": [1095, 1755]}, {}, secure_boot=True
    )
    planned = machine.do("plan", capsys)["steps"]
    assert [step["what"] for step in planned] == [
        "GPU 0: MIG mode on",
        "GPU 0: 7 instances 1g.10gb",
        "GPU 0: power limit 350 W to 300 W",
        "GPU 0: clocks locked from 1095 to 1755 MHz",
    ]
    assert "log" not in machine.state
    done = machine.do("apply", capsys)
    assert (done["steps"], done["pending"], done["problems"]) == ([], [], [])
    assert done["done"] == [step["what"] for step in planned]
    first, second = machine.state["gpus"]
    assert (first["instances"], first["power"]) == (["1g.10gb"] * 7, 300)
    assert (second["mig"], second["power"], second["clocks"]) == ("Disabled", 350, None)
    assert (tmp_path / "run/landfall/gpu-applied").exists()  # so that CDI is written again
    before = list(machine.state["log"])
    assert machine.do("apply", capsys)["done"] == []
    assert machine.state["log"] == before


def test_another_layout_replaces_the_old_one_and_none_undoes_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {"mig": "Enabled", "instances": ["3g.40gb"]})
    machine.promise({"mig": "1g.20gb", "clocks_mhz": [1000, 1200]})
    machine.do("apply", capsys)
    [gpu] = machine.state["gpus"]
    assert gpu["instances"] == ["1g.20gb"] * 4
    machine.promise({})
    assert machine.do("apply", capsys)["steps"] == []
    assert (gpu["mig"], gpu["instances"], gpu["clocks"]) == ("Disabled", [], None)


def test_a_layout_in_use_waits_and_the_rest_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {"running": 1})
    machine.promise({"mig": "1g.10gb", "power_limit_w": 250})
    answer = machine.do("apply", capsys)
    assert answer["pending"] == ["GPU 0: its MIG layout changes when the host is drained"]
    [gpu] = machine.state["gpus"]
    assert (gpu["mig"], gpu["power"]) == ("Disabled", 250)


def test_a_step_that_fails_ends_the_run_with_the_programs_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {"least": 260.0})
    machine.promise({"power_limit_w": 250, "clocks_mhz": [1000, 1200]})
    answer = machine.do("apply", capsys)
    assert "Not Supported" in answer["problems"][0]
    assert "below what it takes, 260 W" in answer["problems"][1]
    assert machine.state["gpus"][0]["clocks"] is None
    assert answer["steps"][0]["what"].startswith("GPU 0: power limit")


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "count": ({}, {"count": 2}, "NVIDIA H100 PCIe: promised 2, found 1"),
    "lanes": ({"width": 8}, {"pcie_width": 16}, "promised 16 PCIe lanes, has 8"),
    "node": ({}, {"numa_nodes": [0]}, "promised on nodes 0, found on 1"),
    "ecc": ({"ecc": "Disabled"}, {}, "ECC is off"),
    "errors": ({"uncorrected": 3}, {}, "3 uncorrected memory errors"),
    "repair": ({"pending": "Yes"}, {}, "memory waits to be retired or remapped"),
    "persistence": ({"persistence": "Disabled"}, {}, "is nvidia-persistenced running?"),
    "another": ({"name": "NVIDIA L40S"}, {}, "NVIDIA L40S: promised 0, found 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_difference_is_named(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    has, promised, expected = WRONG[case]
    machine = Machine(tmp_path, has)
    machine.promise(promised)
    assert any(expected in problem for problem in machine.do("verify", capsys)["problems"])


DRIVER: dict[str, tuple[dict[str, Any], str, str]] = {
    "unsigned": ({"modinfo -F signer nvidia": (0, "\n")}, "problems", "linux-modules-nvidia"),
    "not enrolled": ({"mokutil --test-key": (0, "is not enrolled")}, "problems", "--import"),
    "boot unlocked": (
        {"mokutil --sb-state": (0, "SecureBoot disabled")},
        "problems",
        "promised on",
    ),
    "no mokutil": ({"mokutil --sb-state": (127, "")}, "problems", "is not known"),
    "other package": ({"dpkg-query": (0, "ii  1:570.1.2-1")}, "pending", "playbooks/upgrade.yml"),
    "not restarted": (
        {"dpkg-query": (0, "ii  570.1.2-1")},
        "pending",
        "restart: 580.95.05 is loaded",
    ),
    "not installed": ({"dpkg-query": (1, "")}, "pending", "is not installed yet"),
    "removed": ({"dpkg-query": (0, "rc  580.95.05-1")}, "pending", "is not installed yet"),
}


@pytest.mark.parametrize("case", DRIVER)
def test_the_driver_is_what_is_promised_or_it_is_told(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, where, expected = DRIVER[case]
    machine = Machine(tmp_path, {})
    for start, answer in changed.items():
        [name] = [name for name in machine.answers if name.startswith(start)]
        machine.answers[name] = answer
    machine.promise({}, secure_boot=True)
    assert any(expected in each for each in machine.do("verify", capsys)[where])


def test_a_module_and_a_library_of_two_versions_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {})
    machine.promise({})
    machine.state["driver"] = "580.82.07"
    assert (
        f"driver: {VERSION} is loaded, nvidia-smi says 580.82.07"
        in machine.do("verify", capsys)["problems"]
    )
    machine.put("proc/driver/nvidia/version", OPENED.replace("Open Kernel", "Kernel"))
    assert any("open kernel modules" in each for each in machine.do("verify", capsys)["problems"])


def test_without_a_loaded_driver_a_restart_waits_and_nothing_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, {})
    machine.promise({"mig": "1g.10gb"})
    (tmp_path / "proc/driver/nvidia/version").unlink()
    machine.state["broken"] = True
    answer = machine.do("verify", capsys)
    assert answer["pending"] == [f"restart: {VERSION} is installed and no driver is loaded"]
    assert answer["problems"] == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "mig": ({"model": "NVIDIA A40", "mig": "1g.10gb"}, "mig: NVIDIA A40 cannot be split by MIG"),
    "L40S": ({"model": "L40S", "mig": "1g.10gb"}, "NVIDIA L40S cannot be split"),
    "profile": (
        {"model": "NVIDIA H100 NVL", "mig": "1g.10gb"},
        "no profile 1g.10gb; it has 1g.12gb",
    ),
    "power": ({"model": "NVIDIA L40S", "power_limit_w": 400}, "power_limit_w: 400 W is more than"),
    "clocks": ({"model": "NVIDIA L40S", "clocks_mhz": [2000, 1000]}, "2000 is above 1000"),
    "unknown": ({"model": "NVIDIA T1000", "mig": "1g.10gb"}, "is not in the catalog"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_gpu_cannot_do_is_refused_in_words(case: str) -> None:
    written, expected = REFUSED[case]
    [refused] = model.refusals(
        [Gpu.model_validate({"count": 1, **written}).model_dump(mode="json")]
    )
    assert expected in refused
    assert refused.startswith("host.gpus.0.")


def test_the_catalog_is_complete_and_unknown_gpus_may_be_used_whole() -> None:
    assert {"NVIDIA A40", "NVIDIA L40S", "NVIDIA H100 PCIe", "NVIDIA H100 NVL"} <= set(
        model.site_gpus()
    )
    for each in model.site_gpus().values():
        assert each.sources
        assert all(Gpu(model=each.name, count=1, mig=profile) for profile in each.mig)
    assert model.refusals([{"model": "NVIDIA T1000", "count": 1}]) == []


LISTED = [
    "hi  nvidia-driver-cuda 580.95.05-1",
    "ii  libx 1",
    "rc  nvidia-ctk 1",
    "un  dcgm",
    "ii  dcgm-x 4",
]


def test_packages_that_are_there_change_only_with_an_upgrade() -> None:
    pinned = {"nvidia-driver-cuda": "580.95.05-1", "dcgm": "4.4", "dcgm-x": "5", "nvidia-ctk": "2"}
    assert model.to_install(LISTED, pinned, ["headers"]) == ["dcgm=4.4", "nvidia-ctk=2", "headers"]
    assert "dcgm-x=5" in model.to_install(LISTED, pinned, upgrade=True)
    assert model.to_hold(LISTED, [*pinned]) == ["dcgm", "dcgm-x", "nvidia-ctk"]
