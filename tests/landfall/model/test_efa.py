from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from landfall.model.ami import AMI_TYPES, Architecture, NodeSystem, architecture, eks_ami_type
from landfall.model.catalog import InstanceType, instance_type, instance_types
from landfall.model.efa import PRIMARY, InterfaceType, NetworkInterface, interfaces, layout

CASES: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("efa.toml").read_text())[
    "case"
]
ABLE = [each for each in instance_types().values() if each.efa]


def shown(interface: NetworkInterface) -> str:
    place = f"{interface.network_card_index}.{interface.device_index}"
    return f"{place} {interface.interface_type}"


@pytest.mark.parametrize("case", CASES, ids=[case["type"] for case in CASES])
def test_layout(case: dict[str, Any]) -> None:
    assert [shown(each) for each in interfaces(case["type"], efa=True)] == case["interfaces"]
    assert architecture(case["type"]) == case["arch"]


def test_every_type_that_takes_efas_has_a_case() -> None:
    assert [each.type for each in ABLE] == sorted((case["type"] for case in CASES), key=in_catalog)


def in_catalog(name: str) -> int:
    return list(instance_types()).index(name)


@pytest.mark.parametrize("kind", ABLE, ids=[each.type for each in ABLE])
def test_rules_that_ec2_enforces(kind: InstanceType) -> None:
    found = layout(kind)
    places = [(each.network_card_index, each.device_index) for each in found]
    assert len(set(places)) == len(places)
    assert found[0] == PRIMARY
    fabric = [each for each in found if each.interface_type is InterfaceType.EFA_ONLY]
    assert len(fabric) == kind.efa == len(found) - 1
    assert max(card for card, _ in places) < (kind.network_cards or 0)


@pytest.mark.parametrize("name", list(instance_types()))
def test_without_efa_there_is_the_primary_interface_alone(name: str) -> None:
    assert interfaces(name, efa=False) == (PRIMARY,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gr6.4xlarge", "gr6.4xlarge takes no EFA; of its family gr6.8xlarge does"),
        ("g7e.2xlarge", "of its family g7e.8xlarge, g7e.12xlarge, g7e.24xlarge, g7e.48xlarge do"),
        ("p5.2xlarge", "is not in the GPU catalog; it has p5.4xlarge, p5.48xlarge"),
        ("m7i.large", "is not in the GPU catalog; it has g5.*, g6.*"),
        ("p6e-gb200.36xlarge", "is not in the GPU catalog: it has 17 network cards"),
    ],
)
def test_what_has_no_layout(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="^" + name.replace(".", r"\.")) as caught:
        interfaces(name, efa=True)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"efa_on_card_0": None}, "is not established"),
        ({"network_cards": None}, "is not established"),
        ({"network_cards": 8}, "16 EFAs from card 1 on do not fit 8 network cards"),
        ({"efa": 0, "type": "x1.large"}, "none of its family does; there are types that do in g5,"),
    ],
)
def test_data_that_says_too_little(change: dict[str, Any], message: str) -> None:
    kind = dataclasses.replace(instance_type("p6-b300.48xlarge"), **change)
    with pytest.raises(ValueError, match=message):
        layout(kind)


def test_ami_types() -> None:
    assert eks_ami_type("p5.48xlarge") == "AL2023_x86_64_NVIDIA"
    assert eks_ami_type("g6.xlarge", NodeSystem.BOTTLEROCKET) == "BOTTLEROCKET_x86_64_NVIDIA"
    assert AMI_TYPES[NodeSystem.AL2023, Architecture.ARM64] == "AL2023_ARM_64_NVIDIA"
    assert len(AMI_TYPES) == len(NodeSystem) * len(Architecture)


def test_local_disks_add_up() -> None:
    for each in instance_types().values():
        assert each.nvme_disks is not None
        assert each.nvme_gb % each.nvme_disks == 0, each.type
