"""Facts, from files as the kernel and the driver write them."""

from __future__ import annotations

from pathlib import Path

from engines import facts

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
