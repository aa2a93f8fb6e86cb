"""What Argo CD applies from inside the network: the rendered folder, and mirrored charts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from stacks.eks.objects.claims import EFA_CLASS, GPU_CLASS
from stacks.eks.objects.facts import DEVICES, EFA, GPU, TRAINING, Facts, Manifest, manifest
from stacks.settings.training import Argo, Chart

API = "argoproj.io/v1alpha1"
NAMESPACE = "argocd"
PROJECT = "landfall"
HERE = "https://kubernetes.default.svc"
"""The cluster that Argo CD runs in."""

INTO = {
    "autoscaler": "kube-system",
    "kueue": "kueue-system",
    "trainer": "kubeflow-system",
    "gpu-driver": DEVICES,
    "efa-driver": DEVICES,
}
"""The namespace of each chart."""

OPTIONS = ["CreateNamespace=true", "ServerSideApply=true", "SkipDryRunOnMissingResource=true"]
"""The last one: objects wait for the definitions that a chart brings."""

READY_WITHIN = "30m"
"""How long the pods of an admitted job may take to be ready: nodes have to start first."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """A project, the folder, and one application for each chart; nothing without settings."""
    argo = facts.settings.argo
    if argo is None:
        return
    yield _project(argo)
    source = {
        "repoURL": argo.repository,
        "targetRevision": argo.revision,
        "path": argo.path or facts.folder,
        "directory": {"recurse": True},
    }
    # After the charts, whose definitions it needs.
    yield _application(PROJECT, TRAINING, source, wave=0)
    for name, chart in argo.charts.items():
        yield _application(name, INTO[name], _chart(name, chart, facts), wave=-1)


def _project(argo: Argo) -> Manifest:
    charts = sorted({each.repository.rpartition("/")[0] for each in argo.charts.values()})
    spec = {
        "sourceRepos": [argo.repository, *charts],
        "destinations": [
            {"server": HERE, "namespace": each}
            for each in sorted({NAMESPACE, TRAINING, *INTO.values()})
        ],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    }
    return manifest(API, "AppProject", PROJECT, NAMESPACE, spec=spec)


def _application(name: str, into: str, source: dict[str, Any], *, wave: int) -> Manifest:
    spec = {
        "project": PROJECT,
        "source": source,
        "destination": {"server": HERE, "namespace": into},
        "syncPolicy": {
            "automated": {"prune": True, "selfHeal": True},
            "syncOptions": OPTIONS,
            "retry": {
                "limit": 20,
                "backoff": {"duration": "15s", "factor": 2, "maxDuration": "5m"},
            },
        },
    }
    waves = {"argocd.argoproj.io/sync-wave": str(wave)}
    return manifest(API, "Application", name, NAMESPACE, annotations=waves, spec=spec)


def _chart(name: str, chart: Chart, facts: Facts) -> dict[str, Any]:
    where, _, last = chart.repository.rpartition("/")
    values = {"kueue": _kueue, "autoscaler": _autoscaler}.get(name)
    helm = {"helm": {"valuesObject": values(facts)}} if values else {}
    return {"repoURL": where, "chart": last, "targetRevision": chart.version, **helm}


def _autoscaler(facts: Facts) -> dict[str, Any]:
    """Types from its own list: the price list has no private endpoint."""
    return {
        "autoDiscovery": {"clusterName": facts.cluster},
        "awsRegion": facts.region,
        "rbac": {"serviceAccount": {"name": "cluster-autoscaler"}},
        "extraArgs": {
            "aws-use-static-instance-list": True,
            "balance-similar-node-groups": False,
            "scale-down-unneeded-time": "10m",
        },
    }


def _kueue(facts: Facts) -> dict[str, Any]:
    """A job without a queue does not start, and one starts with all its pods or not at all."""
    configuration: dict[str, Any] = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta1",
        "kind": "Configuration",
        "health": {"healthProbeBindAddress": ":8081"},
        "metrics": {"bindAddress": ":8443"},
        "webhook": {"port": 9443},
        "leaderElection": {"leaderElect": True, "resourceName": "c1f6bfd2.kueue.x-k8s.io"},
        "manageJobsWithoutQueueName": True,
        "managedJobsNamespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": TRAINING}},
        "waitForPodsReady": {"enable": True, "timeout": READY_WITHIN, "blockAdmission": False},
        "integrations": {
            "frameworks": ["batch/job", "jobset.x-k8s.io/jobset", "trainer.kubeflow.org/trainjob"]
        },
    }
    if facts.settings.drivers:
        classes = {GPU: GPU_CLASS, **({EFA: EFA_CLASS} if facts.settings.efa else {})}
        configuration["featureGates"] = {"DynamicResourceAllocation": True}
        configuration["resources"] = {
            "deviceClassMappings": [
                {"name": name, "deviceClassNames": [kind]} for name, kind in classes.items()
            ]
        }
    text = yaml.safe_dump(configuration, sort_keys=True)
    return {"managerConfig": {"controllerManagerConfigYaml": text}}
