"""Settings and arguments of training, for its tests."""

from __future__ import annotations

from typing import Any

import pulumi

from stacks.eks import EksTrainingArgs
from stacks.settings.training import Ec2, Eks
from stacks.storage import Bucket
from stacks.training import Ec2TrainingArgs
from tests.stacks import components

DIGEST = "sha256:" + "1" * 64
OFFERING = "cb-0123456789abcdef0"
RESERVED = "cr-0123456789abcdef0"

SMALL = {"instanceTypes": ["g6.xlarge"]}
SPOT = {
    "instanceTypes": ["g6.xlarge", "g6.2xlarge"],
    "capacity": {"kind": "spot"},
    "maxInstances": 2,
}
LARGE = {
    "instanceTypes": ["p5.48xlarge"],
    "capacity": {"kind": "reservation", "zone": "eu-central-1b"},
    "efa": True,
    "placementGroup": True,
    "maxInstances": 2,
}


def block(**capacity: Any) -> dict[str, Any]:
    """A pool of a capacity block of one day, which is offered and not bought."""
    known = {"offering": OFFERING} if "id" not in capacity else {}
    return {
        "instanceTypes": ["p5en.48xlarge"],
        "capacity": {
            "kind": "block",
            "zone": "eu-central-1a",
            "start": "2027-01-11T11:30:00Z",
            "end": "2027-01-12T11:30:00Z",
            **known,
            **capacity,
        },
        "efa": True,
        "maxInstances": 2,
    }


def image(name: str) -> str:
    """An image of the environment's own repositories."""
    return f"{name}@{DIGEST}"


def ec2(**pools: Any) -> dict[str, Any]:
    """Settings of training on EC2, as files write them."""
    return {
        "image": "resolve:ssm:/landfall/dev/training-image",
        "jobImage": image("training"),
        "command": ["train"],
        "pools": pools,
    }


def chart(name: str) -> dict[str, str]:
    """A mirrored chart."""
    return {"repository": f"registry.internal/charts/{name}", "version": "1.2.3"}


PLUGINS = {"version": "1.33", "images": ("dcgm-exporter", "gpu-plugin", "efa-plugin")}
DRIVERS = {"version": "1.35", "images": ("dcgm-exporter",)}


def eks(base: Any = DRIVERS, **more: Any) -> dict[str, Any]:
    """Settings of training on EKS, with device plugins or drivers, as files write them."""
    names = base["images"]
    return {
        "version": base["version"],
        "jobImage": image("training"),
        "images": {name: image(name) for name in names},
        "administrators": [f"arn:aws:iam::{components.ACCOUNT}:role/admin"],
        "pools": {
            "large": {**LARGE, "placementGroup": False},
            "spot": SPOT,
            "block": block(id=RESERVED),
        },
        **more,
    }


def argo(*charts: str) -> dict[str, Any]:
    """Settings of Argo CD with these charts."""
    return {
        "repository": "https://git.bank.internal/landfall.git",
        "charts": {name: chart(name) for name in charts},
    }


def _bucket(name: str) -> Bucket:
    return Bucket(
        id=pulumi.Output.from_input(name), arn=pulumi.Output.from_input(f"arn:aws:s3:::{name}")
    )


def ec2_args(settings: dict[str, Any], **place: Any) -> Ec2TrainingArgs:
    """Arguments of training on EC2 in a standing network."""
    return Ec2TrainingArgs(
        place=components.place(**place),
        network=components.network(),
        endpoints=pulumi.Output.from_input("sg-0e000001"),
        s3_prefix_list=pulumi.Output.from_input("pl-0e000001"),
        datasets=_bucket("landfall-datasets"),
        artifacts=_bucket("landfall-artifacts"),
        topic=pulumi.Output.from_input(f"arn:aws:sns:{components.REGION}:{components.ACCOUNT}:t"),
        settings=Ec2.model_validate(settings),
    )


def eks_args(settings: dict[str, Any], **place: Any) -> EksTrainingArgs:
    """Arguments of training on EKS in a standing network."""
    return EksTrainingArgs(
        place=components.place(**place),
        network=components.network(),
        endpoints=pulumi.Output.from_input("sg-0e000001"),
        s3_prefix_list=pulumi.Output.from_input("pl-0e000001"),
        datasets=_bucket("landfall-datasets"),
        artifacts=_bucket("landfall-artifacts"),
        site_networks=("10.10.0.0/24",),
        settings=Eks.model_validate(settings),
    )
