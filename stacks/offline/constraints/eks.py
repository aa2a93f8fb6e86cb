"""EKS: endpoints, images for nodes, capacity."""

from __future__ import annotations

import re
from collections.abc import Iterator

from landfall.errors import Problem
from landfall.model.catalog import instance_types
from stacks.offline.constraints.view import View, version, words

CLUSTER, NODES = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"

LAST_AL2 = (1, 32)
"""EKS user guide: there is no Amazon Linux 2 image for Kubernetes 1.33 and later."""

ZONES = 2
"""EKS user guide, network requirements: subnets in at least two zones."""

ARM_TYPE = re.compile(r"a1\.|[a-z]+\d+g[a-z]*\.")

NVIDIA = {
    "x86_64": "AL2023_x86_64_NVIDIA or BOTTLEROCKET_x86_64_NVIDIA",
    "arm64": "AL2023_ARM_64_NVIDIA or BOTTLEROCKET_ARM_64_NVIDIA",
}


def endpoint(view: View) -> Iterator[Problem]:
    """Something can reach the API. Public access is on where nothing is said, private is off."""
    settings = view.get("vpcConfig")
    if not isinstance(settings, dict):
        return
    closed = settings.get("endpointPublicAccess", True) is False
    if closed and settings.get("endpointPrivateAccess") in (None, False):
        path = "vpcConfig.endpointPrivateAccess"
        yield Problem(path=path, message="must be true where endpointPublicAccess is false")


def zones(view: View) -> Iterator[Problem]:
    """A cluster is in two zones, so in two subnets at least."""
    subnets = view.get("vpcConfig.subnetIds")
    if isinstance(subnets, list) and len(subnets) < ZONES:
        yield Problem(path="vpcConfig.subnetIds", message=f"must be {ZONES} or more, in two zones")


def image_and_version(view: View) -> Iterator[Problem]:
    """The image for the nodes exists for the release of the cluster."""
    kind = view.get("amiType")
    clusters = view.found("clusterName", CLUSTER, by="name")
    said = [view.get("version"), *(each.inputs.get("version") for each in clusters)]
    releases = [found for each in said if (found := version(each)) is not None]
    if isinstance(kind, str) and kind.startswith("AL2_") and any(r > LAST_AL2 for r in releases):
        last = ".".join(str(part) for part in LAST_AL2)
        message = f"Amazon Linux 2 ends with Kubernetes {last}; take an AL2023 type"
        yield Problem(path="amiType", message=message)


def image_and_instance(view: View) -> Iterator[Problem]:
    """The image fits the processor, and has a driver where there are GPUs."""
    kind, types = view.get("amiType"), view.get("instanceTypes")
    if not isinstance(kind, str) or kind == "CUSTOM" or not isinstance(types, list):
        return
    image = "arm64" if "ARM_64" in kind.upper() else "x86_64"
    for name in types:
        if not isinstance(name, str):
            continue
        known = instance_types().get(name)
        processor = known.arch if known else "arm64" if ARM_TYPE.match(name) else "x86_64"
        if processor is not None and processor != image:
            message = f"is for {image}, and {name} is {processor}"
            yield Problem(path="amiType", message=message)
        elif known is not None and "NVIDIA" not in kind and kind != "AL2_x86_64_GPU":
            message = f"has no driver for the GPUs of {name}; take {NVIDIA[image]}"
            yield Problem(path="amiType", message=message)


def nodes(view: View) -> Iterator[Problem]:
    """The number wanted is between the least and the greatest."""
    least, wanted, most = (
        view.get(f"scalingConfig.{name}") for name in ("minSize", "desiredSize", "maxSize")
    )
    pairs = (("minSize", least, "desiredSize", wanted), ("desiredSize", wanted, "maxSize", most))
    for low, below, high, above in pairs:
        if None not in (below, above) and below > above:
            message = f"must not be above scalingConfig.{high}"
            yield Problem(path=f"scalingConfig.{low}", message=message)


def capacity_block(view: View) -> Iterator[Problem]:
    """Nodes of a capacity block come from a launch template, in the one zone of the block."""
    if view.get("capacityType") != "CAPACITY_BLOCK":
        return
    if not view.has("launchTemplate"):
        message = "missing; the template names the capacity block"
        yield Problem(path="launchTemplate", message=message)
    if view.has("instanceTypes"):
        message = "belongs in the launch template of a capacity block"
        yield Problem(path="instanceTypes", message=message)
    subnets = view.get("subnetIds")
    if isinstance(subnets, list) and len(subnets) > 1:
        message = f"must be one, in the zone of the block, not {len(subnets)}"
        yield Problem(path="subnetIds", message=message)


def names(view: View) -> Iterator[Problem]:
    """An access configuration that lets no one in is refused by AWS only later."""
    mode, owner = (view.get(f"accessConfig.{name}") for name in (MODE, OWNER))
    if mode == "CONFIG_MAP" and owner is False:
        path = f"accessConfig.{OWNER}"
        message = f"must be true with {words([mode])}: nobody could reach the cluster"
        yield Problem(path=path, message=message)


MODE, OWNER = "authenticationMode", "bootstrapClusterCreatorAdminPermissions"

RULES = {
    CLUSTER: (endpoint, zones, names),
    NODES: (image_and_version, image_and_instance, nodes, capacity_block),
}
