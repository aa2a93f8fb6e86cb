"""What settings of training may say, and how it is told what they may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from landfall.model.parsing import problems_of
from stacks.settings.training import Ec2, Eks, Pool, Training
from tests.stacks.trained import (
    DRIVERS,
    LARGE,
    PLUGINS,
    RESERVED,
    SMALL,
    SPOT,
    argo,
    block,
    ec2,
    eks,
)
from tests.stacks.trained import chart as a_chart


def refused(kind: Any, written: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(written)
    return "\n".join(str(each) for each in problems_of(caught.value, kind))


ONE_ZONE = {"kind": "onDemand", "zone": "eu-central-1a"}

POOLS: list[tuple[dict[str, Any], str]] = [
    ({"instanceTypes": ["g9.xlarge"]}, "g9.xlarge is not in the GPU catalog"),
    ({"instanceTypes": ["g6.xlarge", "g6.2xlarge"]}, "several are the fallback of spot"),
    (
        {"instanceTypes": ["g6.xlarge", "g6e.xlarge"], "capacity": {"kind": "spot"}},
        "a fallback needs as many GPUs of the same model",
    ),
    ({"instanceTypes": ["g6.xlarge"], "efa": True}, "g6.xlarge has none; g6.8xlarge"),
    (
        {**LARGE, "capacity": {"kind": "onDemand"}},
        "machines stand together in one zone; name it in capacity.zone",
    ),
    (
        {**LARGE, "capacity": {"kind": "reservation", "zone": "eu-central-1a", "id": RESERVED}},
        "a reservation made elsewhere has its own",
    ),
    ({**block(), "placementGroup": True}, "a block's machines stand close together already"),
    (block(purchase="cb-0ffffffffffffffff"), "is not the offering; repeat cb-0123456789abcdef0"),
    (block(end="2027-07-13T11:30:00Z"), "a block is 1 to 182 days long"),
    (block(start="2027-01-11T11:30:00"), "need a time zone"),
]


@pytest.mark.parametrize(("written", "message"), POOLS)
def test_a_pool_that_cannot_be_had(written: dict[str, Any], message: str) -> None:
    assert message in refused(Pool, written)


def test_all_that_is_wrong_with_a_pool_is_told_together() -> None:
    wrong = {"instanceTypes": ["g6.xlarge", "g6e.2xlarge"], "efa": True, "placementGroup": True}
    told = refused(Pool, wrong)
    for part in ("several are", "as many GPUs", "efa:", "placementGroup:"):
        assert part in told


def test_efa_and_spot_do_not_go_together_with_batch() -> None:
    pool = {"instanceTypes": ["p5.48xlarge"], "capacity": {"kind": "spot"}, "efa": True}
    assert "pools.x.efa: AWS Batch runs no job over several spot" in refused(Ec2, ec2(x=pool))


def test_every_type_of_a_fallback_fits_under_the_edge() -> None:
    pool = {**SPOT, "instanceTypes": ["g6.xlarge", "g6.4xlarge"]}
    assert "16 vCPUs, more than 8, the edge; 4 or more" in refused(Ec2, ec2(x=pool))
    Ec2.model_validate(ec2(x={**pool, "maxInstances": 4}))


def test_images_that_are_missing_are_listed() -> None:
    told = refused(Eks, eks({**PLUGINS, "images": ()}))
    assert "images: dcgm-exporter, gpu-plugin, efa-plugin missing" in told
    told = refused(Eks, eks({**DRIVERS, "images": ("dcgm-exporter", "nginx")}))
    assert "images: nginx not used here; wanted are dcgm-exporter" in told


def test_charts_that_are_missing_are_listed() -> None:
    told = refused(Eks, eks(argo=argo("kueue")))
    assert "argo.charts: autoscaler, trainer, gpu-driver, efa-driver missing" in told


def test_a_chart_has_a_version() -> None:
    wrong = {**argo(), "charts": {"kueue": {**a_chart("kueue"), "version": "latest"}}}
    assert "argo.charts.kueue.version" in refused(Eks, eks(argo=wrong))


def test_drivers_need_a_version_that_has_them() -> None:
    told = refused(Eks, eks({**PLUGINS, "images": ("dcgm-exporter",)}, devices="driver"))
    assert "devices: drivers need Kubernetes 1.34" in told


@pytest.mark.parametrize(
    ("version", "devices", "drivers"),
    [("1.33", None, False), ("1.34", None, True), ("1.35", "plugin", False)],
)
def test_devices_follow_the_version(version: str, devices: str | None, drivers: bool) -> None:
    base = DRIVERS if drivers else PLUGINS
    settings = Eks.model_validate(eks({**base, "version": version}, devices=devices))
    assert settings.drivers is drivers


def test_machines_with_efa_stand_in_one_zone() -> None:
    pool = {"instanceTypes": ["p5.48xlarge"], "efa": True, "maxInstances": 2}
    names = {"pools": {"x": pool}}
    assert "pools.x.capacity.zone: machines with EFA" in refused(Eks, eks(**names))
    Eks.model_validate(eks(pools={"x": {**pool, "capacity": ONE_ZONE}}))


def test_a_pool_knows_its_edges() -> None:
    spot, large = Pool.model_validate(SPOT), Pool.model_validate(LARGE)
    assert (spot.gpus, spot.vcpus) == (2, 8)
    assert (large.gpus, large.vcpus) == (16, 384)


def test_capacity_in_a_zone_without_network() -> None:
    training = Training.model_validate({"ec2": ec2(small=SMALL, large=LARGE)})
    [problem] = training.problems(("eu-central-1a", "eu-central-1c"))
    assert problem.path == "training.ec2.pools.large.capacity.zone"
    assert "eu-central-1b; the network is in eu-central-1a, eu-central-1c" in problem.message
