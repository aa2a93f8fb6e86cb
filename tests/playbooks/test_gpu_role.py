"""The role gpu on a booted host whose packages of NVIDIA are stand-ins with the real names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from tests.playbooks import stand_in_packages, stand_in_smi
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

OLD, WANTED, NEW = "580.82.07-1", "580.95.05-1", "580.105.08-1"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
SLEEP = "#!/bin/sh\nexec sleep infinity\n"
DRIVER = ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced", "libnvidia-ml1")
DCGM = "datacenter-gpu-manager-4-"
OTHERS = {
    "nvidia-container-toolkit": ["1.18.0-1", "1.19.0-1"],
    "nvidia-container-toolkit-base": ["1.18.0-1"],
    "libnvidia-container-tools": ["1.18.0-1"],
    "libnvidia-container1": ["1.18.0-1"],
    **{f"{DCGM}{name}": ["1:4.4.1-1"] for name in ("core", "cuda13", "proprietary")},
    f"{DCGM}proprietary-cuda13": ["1:4.4.1-1"],
    "datacenter-gpu-manager-exporter": ["4.5.0-1"],
    "linux-headers-amd64": ["6.1.0-1"],
}
CTK = """#!/bin/sh
for word; do case $word in --output=*) echo "made by $2" > "${word#*=}";; esac; done
"""
FILES = {
    "nvidia-driver-cuda": {"usr/bin/nvidia-smi": Path(stand_in_smi.__file__).read_text()},
    "nvidia-persistenced": {
        "usr/bin/nvidia-persistenced": SLEEP,
        "lib/systemd/system/nvidia-persistenced.service": UNIT,
    },
    "nvidia-container-toolkit-base": {"usr/bin/nvidia-ctk": CTK},
    f"{DCGM}core": {"lib/systemd/system/nvidia-dcgm.service": UNIT},
    "datacenter-gpu-manager-exporter": {
        "usr/bin/dcgm-exporter": SLEEP,
        "lib/systemd/system/nvidia-dcgm-exporter.service": UNIT,
    },
}
H100: dict[str, Any] = {"model": "NVIDIA H100 PCIe", "count": 1, "mig": "1g.10gb"}
VARIABLES: dict[str, Any] = {
    "gpu_gpus": [{**H100, "power_limit_w": 300}],
    "gpu_driver_version": WANTED,
    "gpu_toolkit_version": "1.18.0-1",
    "gpu_dcgm_version": "1:4.4.1-1",
    "gpu_dcgm_exporter_version": "4.5.0-1",
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    folder = tmp_path_factory.mktemp("gpu")
    versions = {**{name: [OLD, WANTED, NEW] for name in DRIVER}, **OTHERS}
    stand_in_packages.build(folder / "debs", versions, FILES)
    with booted(folder, net=97) as (host, rack):
        stand_in_packages.send(folder / "debs", [*rack.ssh("t-1")], to="/srv/stand-in")
        host.variables |= VARIABLES
        yield host


def load_driver(host: OneHost, version: str = "580.95.05") -> None:
    """What a restart would bring: a loaded module, and a GPU that nvidia-smi can ask."""
    state = json.dumps({"driver": version, "gpus": [stand_in_smi.GPU]})
    line = f"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build"
    host.ssh(
        "mountpoint -q /proc/driver || mount -t tmpfs none /proc/driver;"
        "systemctl start landfall-gpu-cdi.path;"  # started by the restart
        "mkdir -p /proc/driver/nvidia;"
        f"echo '{line}' > /proc/driver/nvidia/version;"
        f"echo '{state}' > /dev/shm/stand-in-smi.json"
    )


def test_a_host_without_gpus_is_left_alone(host: OneHost) -> None:
    before = host.ssh("ls -R /etc /usr/local | sha256sum")
    counts = host.play("gpu", gpu_gpus=[]).counts
    assert counts["changed"] == 0
    assert host.ssh("ls -R /etc /usr/local | sha256sum") == before


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"gpu_gpus": [{**H100, "model": "NVIDIA L40S"}]}, "NVIDIA L40S cannot be split by MIG"),
        ({"gpu_driver_version": ""}, "gpu_driver_version: required"),
        ({"gpu_upgrade": "perhaps"}, "gpu_upgrade"),
    ],
)
def test_what_cannot_be_is_refused_before_anything(
    host: OneHost, changed: dict[str, Any], expected: str
) -> None:
    assert expected in host.play("gpu", fails=True, **changed).output
    assert host.ssh("ls /etc/apt/preferences.d") == ""


def test_the_first_run_installs_the_pinned_version_and_says_that_a_restart_waits(
    host: OneHost,
) -> None:
    host.truthful("gpu")
    versions = host.ssh("dpkg-query -Wf '${db:Status-Abbrev}${Package} ${Version}\\n' '*nvidia*'")
    assert f"hi nvidia-driver-cuda {WANTED}" in versions
    assert "hi nvidia-container-toolkit 1.18.0-1" in versions
    assert (
        "pending: restart: 580.95.05 is installed and no driver is loaded"
        in host.play("gpu").output
    )
    assert "Restart the exporter" not in host.play("gpu").changed


def test_apt_takes_no_other_version_of_anything_of_nvidias(host: OneHost) -> None:
    assert f"Candidate: {WANTED}" in host.ssh("apt-cache policy libnvidia-ml1")
    assert "Candidate: 1.18.0-1" in host.ssh("apt-cache policy nvidia-container-toolkit")
    assert "0 upgraded" in host.ssh("apt-get -s dist-upgrade | grep upgraded")


def test_after_the_restart_the_gpus_are_set_and_verified(host: OneHost) -> None:
    load_driver(host)
    foreseen = host.play("gpu", "--check")
    played = host.play("gpu")
    assert foreseen.changed == played.changed == ["gpu : Set MIG, power and clocks"]
    assert "pending" not in played.output.replace("landfall_gpu_pending", "")
    state = json.loads(host.ssh("cat /dev/shm/stand-in-smi.json"))
    assert state["gpus"][0]["instances"] == ["1g.10gb"] * 7
    assert state["gpus"][0]["power"] == 300
    listed = "test -s /run/cdi/nvidia.yaml && echo there; true"
    assert process.wait_until(lambda: "there" in host.ssh(listed), timeout_s=20)
    assert host.play("gpu").counts["changed"] == 0


def test_at_boot_the_settings_come_back_and_containers_get_their_devices(host: OneHost) -> None:
    load_driver(host)  # the GPU has forgotten everything
    units = "landfall-gpu-settings landfall-gpu-cdi nvidia-persistenced nvidia-dcgm-exporter"
    host.ssh(f"systemctl restart {units}")
    state = json.loads(host.ssh("cat /dev/shm/stand-in-smi.json"))
    assert state["gpus"][0]["instances"] == ["1g.10gb"] * 7
    assert "made by" in host.ssh("cat /run/cdi/nvidia.yaml")
    shown = host.ssh("systemctl show nvidia-persistenced -p ExecStart")
    assert "--persistence-mode" in shown
    assert "/etc/dcgm-exporter/landfall.csv" in host.ssh(
        "systemctl show nvidia-dcgm-exporter -p ExecStart"
    )
    complaints = host.ssh("systemd-analyze verify landfall-gpu-settings.service 2>&1; true")
    assert "landfall-gpu" not in complaints
    assert host.ssh("systemctl is-enabled landfall-gpu-cdi.path").strip() == "enabled"


def test_what_is_wrong_stops_the_play_in_one_report(host: OneHost) -> None:
    played = host.play(
        "gpu", fails=True, gpu_gpus=[{"model": "L40S", "count": 1, "pcie_width": 16}]
    )
    assert "NVIDIA L40S: promised 1, found 0" in played.output
    assert "NVIDIA H100 PCIe: promised 0, found 1" in played.output
    host.play("gpu")


def test_another_version_waits_for_the_upgrade_and_then_for_a_restart(host: OneHost) -> None:
    played = host.play("gpu", gpu_driver_version=NEW)
    assert "580.95.05 is installed, 580.105.08 is wanted; playbooks/upgrade.yml" in played.output
    assert WANTED in host.ssh("dpkg-query -Wf '${Version}' nvidia-driver-cuda")
    upgraded = host.play("gpu", gpu_driver_version=NEW, gpu_upgrade=True)
    assert NEW in host.ssh("dpkg-query -Wf '${Version}' nvidia-driver-cuda")
    assert "restart: 580.95.05 is loaded, 580.105.08 is installed" in upgraded.output
    host.play("gpu", gpu_driver_version=WANTED, gpu_upgrade=True)  # and back
    assert WANTED in host.ssh("dpkg-query -Wf '${Version}' nvidia-driver-cuda")
