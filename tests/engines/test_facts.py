"""Facts, from files as the kernel and the driver write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import facts, nvidia

XEON = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) Gold 6338\nflags\t\t: fpu avx2 avx512f sse\n"


def test_facts_of_a_host_with_a_gpu(tmp_path: Path) -> None:
    cpu, gpus = tmp_path / "cpuinfo", tmp_path / "gpus"
    cpu.write_text(XEON)
    (gpus / "0000:17:00.0").mkdir(parents=True)
    (gpus / "0000:17:00.0" / "information").write_text("Model: \t\t NVIDIA A40\nIRQ: 1\n")
    found = facts.read(cpu, gpus)
    assert found.cpu == "Intel(R) Xeon(R) Gold 6338"
    assert found.isa == ("avx2", "avx512")
    assert found.isa_class == f"{found.machine}+avx2+avx512"
    assert found.gpus == ("NVIDIA A40",)
    assert "onnxruntime" in found.packages


def test_facts_stay_the_same(tmp_path: Path) -> None:
    assert facts.read() == facts.read()
    assert facts.read(tmp_path / "none", tmp_path / "none").isa == ()


SMI = """<?xml version="1.0" ?><nvidia_smi_log>
<driver_version>580.95.05</driver_version><cuda_version>13.0</cuda_version>
<gpu id="1"><product_name>NVIDIA L40S</product_name>
<fb_memory_usage><total>46068 MiB</total><used>1 MiB</used></fb_memory_usage></gpu>
<gpu id="2"><product_name>NVIDIA L40S</product_name></gpu></nvidia_smi_log>"""


@pytest.fixture
def gpus(tmp_path: Path) -> Path:
    for number in "12":
        (tmp_path / "gpus" / number).mkdir(parents=True)
        (tmp_path / "gpus" / number / "information").write_text("Model: \t\t NVIDIA L40S\n")
    return tmp_path / "gpus"


def test_what_the_driver_tells(tmp_path: Path, gpus: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:       263910444 kB\nMemFree: 1 kB\n")
    told = {
        ("nvidia-smi", "-q", "-x"): SMI,
        nvidia.CAPABILITIES: "8.9\n8.9\n",
        ("podman", "--version"): "podman version 4.3.1\n",
    }
    found = facts.read(tmp_path / "none", gpus, tmp_path / "meminfo", told.__getitem__)
    assert (found.driver, found.cuda, found.container) == ("580.95.05", "13.0", "podman 4.3.1")
    assert found.memory_gib == 251
    first, second = found.devices
    assert (first.name, first.compute_capability, first.memory_mib) == ("NVIDIA L40S", "8.9", 46068)
    assert second.memory_mib is None


@pytest.mark.parametrize("broken", ["", "NVIDIA-SMI has failed", "<a>"])
def test_a_driver_that_does_not_answer(tmp_path: Path, gpus: Path, broken: str) -> None:
    found = facts.read(tmp_path / "none", gpus, tmp_path / "none", lambda _: broken)
    assert (found.gpus, found.devices, found.driver) == (("NVIDIA L40S",) * 2, (), "")
    assert found.memory_gib == 0


def test_capabilities_that_cannot_be_told_apart(tmp_path: Path, gpus: Path) -> None:
    told: dict[tuple[str, ...], str] = {
        ("nvidia-smi", "-q", "-x"): SMI,
        nvidia.CAPABILITIES: "8.9\n",
    }
    found = facts.read(tmp_path / "none", gpus, tmp_path / "none", lambda argv: told.get(argv, ""))
    assert [each.compute_capability for each in found.devices] == ["", ""]


def test_a_program_that_is_not_there_says_nothing() -> None:
    assert nvidia.ask(("no-such-program",)) == ""
    assert nvidia.ask(("false",)) == ""
