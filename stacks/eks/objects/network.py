"""Who talks to whom: nobody, but for what is written here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stacks.eks.nodes import POOL
from stacks.eks.objects.facts import DEVICES, TRAINING, Facts, Manifest, manifest

API = "networking.k8s.io/v1"
NAMESPACE_NAME = "kubernetes.io/metadata.name"

POD_IDENTITY = "169.254.170.23/32"
"""Where the agent of EKS Pod Identity answers, on every node (EKS user guide)."""

METRICS_PORT = 9400
METRICS_READER = "landfall.io/metrics"
"""The label of namespaces whose pods may read metrics."""


def objects(facts: Facts) -> Iterator[Manifest]:
    """Default deny in every namespace of ours, and the ways that jobs need."""
    for namespace in (TRAINING, DEVICES):
        yield _policy("deny", namespace, types=["Ingress", "Egress"])
    yield _policy("names", TRAINING, egress=[_names()])
    yield _policy("services", TRAINING, egress=[_services(), _identity()])
    for pool in facts.pools:
        peers = [{"podSelector": {"matchLabels": {POOL: pool}}}]
        yield _policy(
            f"among-{pool}",
            TRAINING,
            pods={POOL: pool},
            ingress=[{"from": peers}],
            egress=[{"to": peers}],
        )
    reader = [{"namespaceSelector": {"matchLabels": {METRICS_READER: "read"}}}]
    yield _policy("metrics", DEVICES, ingress=[{"from": reader, "ports": [_port(METRICS_PORT)]}])


def _policy(
    name: str,
    namespace: str,
    *,
    pods: dict[str, str] | None = None,
    types: list[str] | None = None,
    **rules: list[dict[str, Any]],
) -> Manifest:
    chosen = {"matchLabels": pods} if pods else {}
    spec = {
        "podSelector": chosen,
        "policyTypes": types or [way.capitalize() for way in rules],
        **rules,
    }
    return manifest(API, "NetworkPolicy", name, namespace, spec=spec)


def _names() -> dict[str, Any]:
    """The cluster's DNS."""
    to = {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {"to": [to], "ports": [_port(53, "UDP"), _port(53)]}


def _services() -> dict[str, Any]:
    """HTTPS to AWS: the endpoints in the VPC, and S3.

    S3's gateway endpoint is reached at S3's public addresses, which a policy cannot list and the
    nodes' security group does, by prefix list. There is no route to any other address.
    """
    return {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [_port(443)]}


def _identity() -> dict[str, Any]:
    return {"to": [{"ipBlock": {"cidr": POD_IDENTITY}}], "ports": [_port(80)]}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}
