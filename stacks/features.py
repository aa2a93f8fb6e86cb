"""What an environment chose, and the private endpoints that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from stacks.settings.adoption import Purpose
from stacks.settings.whole import Settings


class Feature(StrEnum):
    """A part of the cloud half that may be there or not."""

    ALWAYS = "always"
    EC2 = "ec2"
    EKS = "eks"
    LUSTRE = "lustre"
    REGISTRY = "registry"
    SITE_HOSTS = "site hosts"
    STREAMS = "streams"


SERVICES: Mapping[Feature, tuple[str, ...]] = {
    Feature.ALWAYS: ("kms", "logs", "monitoring", "sts", "secretsmanager"),
    # The agent of AWS Batch is ECS's; Session Manager is the way to a machine without a key.
    Feature.EC2: (
        "ec2", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "ssm", "ssmmessages",
        "ec2messages",
    ),
    Feature.EKS: (
        "ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "autoscaling", "elasticloadbalancing",
        "ssm", "ssmmessages", "ec2messages",
    ),
    Feature.LUSTRE: ("fsx",),
    Feature.REGISTRY: ("ecr.api", "ecr.dkr"),
    Feature.SITE_HOSTS: ("rolesanywhere",),
    Feature.STREAMS: ("kinesis-streams",),
}  # fmt: skip
"""Interface endpoints that each feature needs in a network without a way out.

Sources: EKS user guide (private clusters), Batch and ECS user guides (interface endpoints),
Systems Manager user guide (VPC endpoints).
"""


def chosen(settings: Settings) -> frozenset[Feature]:
    """The features of an environment."""
    registry = settings.registry
    found = {
        Feature.EC2: settings.training.ec2,
        Feature.EKS: settings.training.eks,
        Feature.LUSTRE: settings.storage.lustre,
        Feature.REGISTRY: registry and registry.environment is None,
        Feature.SITE_HOSTS: settings.identity.site_hosts,
        Feature.STREAMS: settings.streams,
    }
    return frozenset({Feature.ALWAYS, *(name for name, on in found.items() if on)})


def services(features: frozenset[Feature]) -> tuple[str, ...]:
    """The interface endpoints that `features` need, each once, sorted."""
    return tuple(sorted({each for feature in features for each in SERVICES[feature]}))


def purposes(features: frozenset[Feature]) -> tuple[Purpose, ...]:
    """The encryption keys that `features` need."""
    found: list[Purpose] = ["artifacts", "datasets", "logs", "secrets"]
    if features & {Feature.EC2, Feature.EKS, Feature.LUSTRE}:
        found.append("compute")
    if Feature.REGISTRY in features:
        found.append("registry")
    if Feature.STREAMS in features:
        found.append("stream")
    return tuple(found)
