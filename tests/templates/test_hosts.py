"""Files of the roles gpu, runtime and metrics: each as reviewed, and its reader takes it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall import process, render
from landfall.model import container

HERE = Path(__file__).parent / "hosts"
MIRROR = "registry.site:5000"
ENGINE = {
    "name": "triton",
    "image": "nvidia/tritonserver",
    "digest": f"sha256:{'a' * 64}",
    "devices": ["nvidia.com/gpu=0"],
    "network": "host",
    "mounts": [{"source": "/var/lib/landfall/engines", "target": "/engines"}],
    "environment": {"MOTTO": "5$ 10%"},
    "cpu_quota": "800%",
}
GPU: dict[str, Any] = {
    "__gpu_program": "/usr/local/lib/landfall/landfall_gpu.py",
    "__gpu_persistence_user": "nvpd",
    "__gpu_free_packages": ["linux-modules-nvidia-*"],
    "gpu_exporter_listen": "10.64.0.11:9400",
    "__gpu_patterns": [
        {"packages": "libnvidia-container*", "version": "1.18.0-1"},
        {"packages": "*nvidia*", "version": "580.95.05-1"},
    ],
}
RUNTIME: dict[str, Any] = {
    "runtime_registry": MIRROR,
    "runtime_registry_insecure": False,
    "runtime_signing_key": "keys/images.gpg",
    "runtime_subnet": "10.213.0.0/20",
    "runtime_storage": "/var/lib/containers/storage",
    "runtime_memory_max": "64G",
    "runtime_tasks_max": 4096,
    "runtime_stop_s": 60,
    "runtime_container": ENGINE,
    "__runtime_command": container.quoted(container.arguments(ENGINE, MIRROR)),
}
METRICS: dict[str, Any] = {
    "metrics_listen": "10.64.0.11:9100",
    "metrics_engines": [
        {"key": "1" * 64, "port": 20001, "path": "/metrics"},
        {"key": "2" * 64, "port": 20002, "path": "/prometheus/metrics"},
    ],
    "metrics_gateway_log": "/var/log/nginx/landfall.json",
    "metrics_every_s": 15,
    "metrics_server_listen": "10.64.0.11:9090",
    "metrics_targets": [
        {"job": "node", "host": "gpu-2", "address": "10.64.0.12:9100"},
        {"job": "node", "host": "gpu-1", "address": "10.64.0.11:9100"},
        {"job": "gpu", "host": "gpu-1", "address": "10.64.0.11:9400"},
    ],
    "metrics_alertmanagers": ["10.64.0.5:9093"],
    "metrics_retention_days": 30,
    "__metrics_textfiles": "/var/lib/prometheus/node-exporter",
    "__metrics_program": "/usr/local/lib/landfall/landfall_metrics.py",
    "__metrics_units": r"(landfall-.+|nginx)\.(service|timer)",
}
SYSTEMD = "etc/systemd/system"
KNOWN = {
    "etc/apt/preferences.d/landfall-nvidia": GPU,
    "etc/dcgm-exporter/landfall.csv": GPU,
    f"{SYSTEMD}/landfall-gpu-cdi.path": GPU,
    f"{SYSTEMD}/landfall-gpu-cdi.service": GPU,
    f"{SYSTEMD}/landfall-gpu-settings.service": GPU,
    f"{SYSTEMD}/nvidia-dcgm-exporter.service.d/landfall.conf": GPU,
    f"{SYSTEMD}/nvidia-fabricmanager.service.d/landfall.conf": GPU,
    f"{SYSTEMD}/nvidia-persistenced.service.d/landfall.conf": GPU,
    "etc/containers/containers.conf": RUNTIME,
    "etc/containers/policy.json": RUNTIME,
    "etc/containers/registries.conf": RUNTIME,
    "etc/containers/storage.conf": RUNTIME,
    f"{SYSTEMD}/landfall-container.service": RUNTIME,
    "etc/default/prometheus": METRICS,
    "etc/default/prometheus-node-exporter": METRICS,
    "etc/landfall/metrics.json": METRICS,
    "etc/prometheus/prometheus.yml": METRICS,
    f"{SYSTEMD}/landfall-metrics.service": METRICS,
    f"{SYSTEMD}/landfall-metrics.timer": METRICS,
}


def text(name: str) -> str:
    return render.render(f"{name}.j2", KNOWN[name])


def golden(name: str) -> Path:
    return HERE / f"{name.removeprefix('etc/').replace('/', '-')}.golden"


@pytest.mark.parametrize("name", KNOWN)
def test_the_text_is_what_was_reviewed(name: str) -> None:
    assert text(name) == golden(name).read_text()


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in HERE.iterdir()} == {golden(name).name for name in KNOWN}


def test_the_readers_of_containers_files_understand_them() -> None:
    [registry] = tomllib.loads(text("etc/containers/registries.conf"))["registry"]
    assert registry == {"prefix": MIRROR, "location": MIRROR, "insecure": False}
    policy = json.loads(text("etc/containers/policy.json"))
    assert policy["default"] == [{"type": "reject"}]
    assert [each["type"] for each in policy["transports"]["docker"][MIRROR]] == ["signedBy"]
    network = tomllib.loads(text("etc/containers/containers.conf"))["network"]
    assert network["default_subnet"] == "10.213.0.0/20"
    assert tomllib.loads(text("etc/containers/storage.conf"))["storage"]["driver"] == "overlay"


def test_numbers_are_read_by_job_and_host() -> None:
    assert json.loads(text("etc/landfall/metrics.json"))["engines"] == METRICS["metrics_engines"]
    scraped = yaml.safe_load(text("etc/prometheus/prometheus.yml"))["scrape_configs"]
    jobs = {job["job_name"]: job["static_configs"] for job in scraped}
    assert [each["labels"]["host"] for each in jobs["node"]] == ["gpu-1", "gpu-2"]
    assert jobs["gpu"][0]["targets"] == ["10.64.0.11:9400"]


@pytest.mark.services
def test_promtool_accepts_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(text("etc/prometheus/prometheus.yml"))
    done = process.run(["promtool", "check", "config", "--syntax-only", path], check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.services
def test_systemd_reads_the_units_without_a_complaint_of_ours(tmp_path: Path) -> None:
    for name in KNOWN:
        if name.startswith(SYSTEMD) and name.endswith((".service", ".timer", ".path")):
            (tmp_path / Path(name).name).write_text(text(name))
    done = process.run(["systemd-analyze", "verify", *sorted(tmp_path.iterdir())], check=False)
    # Programs that are not installed here are the one thing that it may miss.
    complaints = [
        line
        for line in done.stderr.splitlines()
        if "landfall-" in line and "is not executable" not in line and "not found" not in line
    ]
    assert complaints == []
