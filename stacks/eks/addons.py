"""AWS's own add-ons, from AWS's own registry, over private endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

BEFORE_NODES: Mapping[str, Mapping[str, Any]] = {
    # Without it a network policy is a wish.
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "kube-proxy": {},
    "eks-pod-identity-agent": {},
}
"""What a node needs to be ready."""

ON_NODES: Mapping[str, Mapping[str, Any]] = {
    "coredns": {},
    # Reads Xid errors and tells the node group's repair.
    "eks-node-monitoring-agent": {},
}
"""What is ready only when there are nodes."""


def addons(
    name: str,
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    cluster: pulumi.Input[str],
    versions: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """Add-ons with their configuration; a change of theirs by hand is overwritten."""
    return [
        aws.eks.Addon(
            f"{name}-{addon}",
            addon_name=addon,
            cluster_name=cluster,
            addon_version=versions.get(addon),
            configuration_values=json.dumps(values) if values else None,
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=opts,
        )
        for addon, values in wanted.items()
    ]
