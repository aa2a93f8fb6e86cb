"""The role tuning: what it reports is true, and what a container cannot have is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from landfall.model.environment import ROOT
from tests.playbooks.loading import load
from tests.playbooks.one_host import OneHost, booted

tuning: Any = load(ROOT / "playbooks/plugins/filter/landfall_tuning.py")
PROFILE: dict[str, dict[str, Any]] = yaml.safe_load(
    (ROOT / "playbooks/roles/tuning/vars/main.yml").read_text()
)["__tuning_profiles"]["gpu_inference"]

GRUB, MENU = "/etc/default/grub.d/50-landfall-tuning.cfg", "/boot/grub/grub.cfg"
GOVERNORS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


def report(values: dict[str, str], changed: dict[str, float] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = tuning.tuning_report(
        {"values": values, "booted": 100, "changed": changed or {}},
        sysctl={"vm.swappiness": 10, "net.ipv4.tcp_rmem": "4096\t131072\t16777216"},
        sys={GOVERNORS: "performance", PAGES: "madvise"},
        cmdline=["iommu=pt"],
        grub=GRUB,
    )
    return found


RIGHT = {
    "/proc/sys/vm/swappiness": "10",
    "/proc/sys/net/ipv4/tcp_rmem": "4096\t131072\t16777216",
    GOVERNORS.replace("*", "0"): "performance",
    GOVERNORS.replace("*", "1"): "performance",
    PAGES: "always [madvise] never",
    "/proc/cmdline": "root=/dev/md0 iommu=pt quiet",
}


def test_what_is_in_effect_is_said_to_be() -> None:
    assert report(RIGHT) == {"wrong": [], "told": "all of it is in effect"}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("/proc/sys/vm/swappiness", "60", "vm.swappiness: 60, not 10"),
        (GOVERNORS.replace("*", "1"), "powersave", "powersave, not performance"),
        (PAGES, "[always] madvise never", "always, not madvise"),
    ],
)
def test_what_differs_is_named(path: str, value: str, problem: str) -> None:
    [line] = report({**RIGHT, path: value})["wrong"]
    assert problem in line


def test_what_the_hardware_does_not_have_is_told() -> None:
    values = {path: text for path, text in RIGHT.items() if "cpufreq" not in path}
    assert report(values) == {"wrong": [], "told": f"this machine has no {GOVERNORS}"}
    del values["/proc/sys/vm/swappiness"]
    assert report(values)["wrong"] == ["vm.swappiness: this kernel does not have it"]


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, False),  # no boot menu: another loader starts the kernel
        ({GRUB: 150.0, MENU: 150.0}, False),  # written after the machine was started
        ({GRUB: 50.0, MENU: 60.0}, True),  # started from a menu that had it, and yet without
    ],
)
def test_the_command_line_holds_from_the_next_boot(changed: dict[str, float], wrong: bool) -> None:
    found = report({**RIGHT, "/proc/cmdline": "quiet"}, changed)
    assert bool(found["wrong"]) == wrong
    assert ("from the next boot on: iommu=pt" in found["told"]) != wrong


def test_every_value_is_explained() -> None:
    page = (ROOT / "docs/tuning.md").read_text()
    wanted = [
        *PROFILE["sysctl"],
        *PROFILE["cmdline"],
        *(each.rpartition("/")[2] for each in PROFILE["sys"]),
    ]
    assert [each for each in wanted if f"`{each}`" not in page] == []


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    with booted(tmp_path_factory.mktemp("tuning"), net=80) as (found, _):
        found.variables = {"tuning_profile": "gpu_inference"}
        yield found


@pytest.mark.host
def test_check_mode_foresees_the_first_run_and_a_container_leaves_the_machine_alone(
    host: OneHost,
) -> None:
    before = host.ssh("cat /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled")
    host.truthful("tuning")
    after = host.ssh("cat /proc/sys/vm/swappiness /sys/kernel/mm/transparent_hugepage/enabled")
    assert after == before
    assert host.ssh("sysctl -n net.ipv4.tcp_rmem").split() == ["4096", "131072", "16777216"]
    host.ssh("sysctl -qw net.ipv4.tcp_mtu_probing=0")
    assert "net.ipv4.tcp_mtu_probing: 0, not 1" in host.play("tuning", fails=True).output
