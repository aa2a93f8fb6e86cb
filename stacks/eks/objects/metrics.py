"""Metrics of GPUs: errors above all."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.eks.nodes import GPU_PRESENT
from stacks.eks.objects.devices import daemon_set
from stacks.eks.objects.facts import DEVICES, Facts, Manifest, manifest
from stacks.eks.objects.network import METRICS_PORT

NAME = "dcgm-exporter"

COUNTERS = {
    "DCGM_FI_DEV_XID_ERRORS": ("gauge", "The last Xid error."),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": ("counter", "Single bit ECC errors since the driver loaded."),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": ("counter", "Double bit ECC errors since the driver loaded."),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": ("counter", "Rows remapped after lost data."),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": ("counter", "Rows remapped in time."),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": ("gauge", "Whether a row could not be remapped."),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": ("counter", "Retries on PCIe."),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": ("counter", "CRC errors on NVLink."),
    "DCGM_FI_DEV_GPU_TEMP": ("gauge", "Temperature in degrees Celsius."),
    "DCGM_FI_DEV_POWER_USAGE": ("gauge", "Power in watts."),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": ("gauge", "Why clocks are held back."),
    "DCGM_FI_DEV_FB_USED": ("gauge", "Memory in use in MiB."),
    "DCGM_FI_DEV_GPU_UTIL": ("gauge", "Percent of the time with a kernel running."),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": ("gauge", "Share of cycles with tensor cores at work."),
    "DCGM_FI_PROF_DRAM_ACTIVE": ("gauge", "Share of cycles with memory at work."),
}
"""What is measured. Errors are not in the exporter's own list by default (its default counters)."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """An exporter on every node with GPUs, with counters of our choice."""
    lines = [f"{name}, {kind}, {text}" for name, (kind, text) in COUNTERS.items()]
    yield manifest("v1", "ConfigMap", NAME, DEVICES, data={"counters.csv": "\n".join([*lines, ""])})
    labels = {"app.kubernetes.io/name": NAME}
    port = {"name": "metrics", "port": METRICS_PORT, "targetPort": METRICS_PORT}
    yield manifest(
        "v1",
        "Service",
        NAME,
        DEVICES,
        labels=labels,
        spec={"clusterIP": "None", "selector": labels, "ports": [port]},
    )
    yield daemon_set(
        NAME,
        on=GPU_PRESENT,
        container={
            "image": facts.images[NAME],
            "args": ["-f", "/etc/landfall/counters.csv"],
            "env": [
                {"name": "DCGM_EXPORTER_LISTEN", "value": f":{METRICS_PORT}"},
                {"name": "DCGM_EXPORTER_KUBERNETES", "value": "true"},
            ],
            "ports": [{"name": "metrics", "containerPort": METRICS_PORT}],
            # Profiling counters need it; nothing else here does.
            "securityContext": {
                "runAsUser": 0,
                "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]},
            },
        },
        folders={"pods": "/var/lib/kubelet/pod-resources"},
        read_only=True,
        volumes=(({"name": "counters", "configMap": {"name": NAME}}, "/etc/landfall"),),
    )
