"""Device plugins, where the version has no drivers: they count GPUs and EFAs for the scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.eks.nodes import EFA_PRESENT, GPU_PRESENT
from stacks.eks.objects.facts import DEVICES, Facts, Manifest, manifest

PLUGINS_FOLDER = "/var/lib/kubelet/device-plugins"

CRITICAL = "system-node-critical"

UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def objects(facts: Facts) -> Iterator[Manifest]:
    """A plugin for GPUs, and one for EFAs if any pool has them."""
    if facts.settings.drivers:
        return
    yield daemon_set(
        "gpu-plugin",
        on=GPU_PRESENT,
        container={
            "image": facts.images["gpu-plugin"],
            "env": [{"name": "FAIL_ON_INIT_ERROR", "value": "false"}],
            "securityContext": UNPRIVILEGED,
        },
        folders={"plugins": PLUGINS_FOLDER},
    )
    if facts.settings.efa:
        yield daemon_set(
            "efa-plugin",
            on=EFA_PRESENT,
            container={"image": facts.images["efa-plugin"], "securityContext": UNPRIVILEGED},
            folders={"plugins": PLUGINS_FOLDER, "fabric": "/dev/infiniband"},
            host_network=True,
        )


def daemon_set(
    name: str,
    *,
    on: str,
    container: Mapping[str, Any],
    folders: Mapping[str, str],
    read_only: bool = False,
    host_network: bool = False,
    volumes: tuple[tuple[Mapping[str, Any], str], ...] = (),
) -> Manifest:
    """One pod on every node with the label `on`, with folders of the host at their own paths.

    `volumes`: others, each with where it is mounted.
    """
    labels = {"app.kubernetes.io/name": name}
    mounts = [
        {"name": each, "mountPath": path, "readOnly": read_only} for each, path in folders.items()
    ]
    mounts += [{"name": each["name"], "mountPath": path, "readOnly": True}
               for each, path in volumes]  # fmt: skip
    host = [{"name": each, "hostPath": {"path": path}} for each, path in folders.items()]
    pod = {
        "automountServiceAccountToken": False,
        "priorityClassName": CRITICAL,
        "nodeSelector": {on: "true"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "hostNetwork": host_network,
        "containers": [
            {
                "name": name,
                "resources": {
                    "requests": {"cpu": "50m", "memory": "128Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "volumeMounts": mounts,
                **container,
            }
        ],
        "volumes": [*host, *(dict(each) for each, _ in volumes)],
    }
    spec = {
        "selector": {"matchLabels": labels},
        "updateStrategy": {"type": "RollingUpdate"},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return manifest("apps/v1", "DaemonSet", name, DEVICES, labels=labels, spec=spec)
