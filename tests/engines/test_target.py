"""Targets: words of a spec become kinds of hardware that a site has."""

from __future__ import annotations

import pytest

from engines.target import CPU_NAME, Server, Target, anywhere, resolve


def server(name: str, gpu: str = "", count: int = 0, *groups: str) -> Server:
    return Server(name=name, gpu=gpu, count=count, groups=frozenset(groups))


SITE = (
    server("edge-a"),
    server("gpu-1", "NVIDIA A40", 2, "gpu_hosts"),
    server("gpu-2", "NVIDIA L40S", 2, "gpu_hosts", "build_hosts"),
    server("gpu-3", "NVIDIA H100 80GB HBM3", 4, "gpu_hosts"),
    server("gpu-4", "NVIDIA H100 80GB HBM3", 8, "gpu_hosts"),
)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["L40S"], {"L40S": ("gpu-2",)}),
        (["H100 SXM"], {"H100 SXM": ("gpu-3", "gpu-4")}),
        (["H100 PCIe"], {}),
        (["build_hosts", "A40"], {"L40S": ("gpu-2",), "A40": ("gpu-1",)}),
        (["gpu_hosts", "L40S"], {
            "A40": ("gpu-1",), "L40S": ("gpu-2",), "H100 SXM": ("gpu-3", "gpu-4"),
        }),
        (["nobody"], {}),
        ([CPU_NAME], {CPU_NAME: tuple(each.name for each in SITE)}),
    ],
)  # fmt: skip
def test_words_become_hardware(wanted: list[str], expected: dict[str, tuple[str, ...]]) -> None:
    assert {each.name: each.hosts for each in resolve(wanted, SITE)} == expected


def test_the_most_gpus_of_one_host() -> None:
    [target] = resolve(["H100 SXM"], SITE)
    assert target.most == 8
    assert Target(name="L40S").most == 0
    assert target.gpu is not None
    assert target.gpu.compute_capability == "9.0"


def test_without_a_site_only_gpus_have_names() -> None:
    assert [each.name for each in anywhere(["L40S", "gpu_hosts", "cpu"])] == ["L40S", "cpu"]
