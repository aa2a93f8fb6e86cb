"""Which machine image EKS starts GPU nodes of an instance type from."""

from __future__ import annotations

from enum import StrEnum

from landfall.model.catalog import instance_type


class Architecture(StrEnum):
    """Of processors, as EC2 names them."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class NodeSystem(StrEnum):
    """The operating system of a node."""

    AL2023 = "al2023"
    BOTTLEROCKET = "bottlerocket"


AMI_TYPES: dict[tuple[NodeSystem, Architecture], str] = {
    (NodeSystem.AL2023, Architecture.X86_64): "AL2023_x86_64_NVIDIA",
    (NodeSystem.AL2023, Architecture.ARM64): "AL2023_ARM_64_NVIDIA",
    (NodeSystem.BOTTLEROCKET, Architecture.X86_64): "BOTTLEROCKET_x86_64_NVIDIA",
    (NodeSystem.BOTTLEROCKET, Architecture.ARM64): "BOTTLEROCKET_ARM_64_NVIDIA",
}
"""The `amiType` of a node group with NVIDIA GPUs (EKS API, Nodegroup.amiType; read 2026-11-21)."""


def architecture(name: str) -> Architecture:
    """The architecture of the GPU instance type `name`.

    Raises:
        ValueError: the catalog does not have the type, or its architecture is not established.
    """
    found = instance_type(name).arch
    if found is None:
        raise ValueError(f"{name}: its architecture is not established")
    return Architecture(found)


def eks_ami_type(name: str, system: NodeSystem = NodeSystem.AL2023) -> str:
    """The `amiType` of a node group of the GPU instance type `name`.

    Raises:
        ValueError: as `architecture`.
    """
    return AMI_TYPES[system, architecture(name)]
