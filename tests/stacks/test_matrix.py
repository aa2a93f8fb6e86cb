"""Every feature on and off, each kind of capacity, GPU family and link, through the real engine."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall.model.catalog import instance_types
from landfall.model.change import Kind
from landfall.model.environment import ROOT, cache_folder, find
from stacks import automation, toolchain
from stacks.account import Cloud
from stacks.offline import OfflineCloud, mark
from stacks.state import local
from tests.stacks.settings.test_settings import changed

pytestmark = pytest.mark.matrix

WRITTEN = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text())["program"]

CAPACITIES: dict[str, dict[str, Any]] = {
    "on demand": {"kind": "onDemand"},
    "spot": {"kind": "spot"},
    "a reservation made here": {"kind": "reservation", "zone": "eu-central-1a"},
    "a reservation made elsewhere": {
        "kind": "reservation", "zone": "eu-central-1a", "id": "cr-0123456789abcdef0"
    },
    "a block to be bought": {
        "kind": "block", "zone": "eu-central-1b", "start": "2027-01-11T11:30:00Z",
        "end": "2027-01-13T11:30:00Z", "offering": "cb-0123456789abcdef0",
        "purchase": "cb-0123456789abcdef0",
    },
    "a block that is not bought": {
        "kind": "block", "zone": "eu-central-1b", "start": "2027-01-11T11:30:00Z",
        "end": "2027-01-13T11:30:00Z", "offering": "cb-0123456789abcdef0",
    },
    "a block bought elsewhere": {
        "kind": "block", "zone": "eu-central-1b", "start": "2027-01-11T11:30:00Z",
        "end": "2027-01-13T11:30:00Z", "id": "cr-0123456789abcdef0",
    },
}  # fmt: skip

BUYS = {"a block to be bought"}


def largest_of_each_family() -> dict[str, str]:
    """The type with the most GPUs, and EFAs, of each family of the catalog."""
    found: dict[str, str] = {}
    for each in instance_types().values():
        family = each.type.partition(".")[0]
        best = instance_types().get(found.get(family, ""))
        if best is None or (each.gpus, each.efa) > (best.gpus, best.efa):
            found[family] = each.type
    return found


def alone(pools: dict[str, Any], part: str) -> dict[str, Any]:
    """A configuration of staging with these pools alone."""
    zeros = "@sha256:" + 64 * "0"
    ec2 = {
        "image": "resolve:ssm:/landfall/staging/training-image",
        "jobImage": f"training{zeros}",
        "pools": pools,
    }
    eks = {
        "version": "1.34",
        "jobImage": f"training{zeros}",
        "images": {"dcgm-exporter": f"kubernetes{zeros}"},
        "pools": pools,
    }
    training = {"ec2": ec2} if part == "ec2" else {"eks": eks}
    return {"registry": "", "training": training, "budget.monthlyUsd": 100_000}


def generated() -> Iterator[dict[str, Any]]:
    """Programs for each capacity and each family, on single machines and on Kubernetes."""
    for part in ("ec2", "eks"):
        for name, capacity in CAPACITIES.items():
            pools = {"pool": {"instanceTypes": ["p5.48xlarge"], "capacity": capacity}}
            bought = ["ec2.CapacityBlockReservation"]
            yield {
                "name": f"{part}: {name}",
                "set": alone(pools, part),
                "has": bought if name in BUYS else [],
                "lacks": [] if name in BUYS else bought,
            }
        for family, largest in largest_of_each_family().items():
            pool: dict[str, Any] = {"instanceTypes": [largest], "maxInstances": 2}
            if instance_types()[largest].efa:
                pool |= {"efa": True, "capacity": {"kind": "onDemand", "zone": "eu-central-1a"}}
            yield {"name": f"{part}: {family}", "set": alone({family: pool}, part)}


PROGRAMS = [*WRITTEN, *generated()]


def test_there_are_sixty_programs_and_more() -> None:
    names = [each["name"] for each in PROGRAMS]
    assert len(names) == len(set(names))
    assert len(names) >= 60


@pytest.fixture(scope="module")
def cloud() -> Iterator[OfflineCloud]:
    with OfflineCloud() as found:
        yield found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("inventories", "releases"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for path in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each["name"])
def test_program(program: dict[str, Any], tree: Path, cloud: OfflineCloud) -> None:
    name = program.get("base", "staging")
    edit(tree / f"Pulumi.{name}.yaml", "config", program.get("set", {}), "landfall:")
    edit(tree / f"inventories/{name}/group_vars/all/site.yml", "site", program.get("site", {}), "")
    tools = toolchain.find(cache_folder())
    assert tools is not None
    mark(tree / "state")
    session = automation.Session(
        environment=find(name, tree),
        cloud=Cloud(provider="offline"),
        backend=local(tree / "state"),
        toolchain=tools,
        variables=cloud.environment,
        policies=None,
    )
    found = automation.preview(session).changes
    assert {each.kind for each in found} == {Kind.CREATE}
    kinds = {short(each.target.partition(" ")[0]) for each in found}
    assert set(program.get("has", ())) <= kinds
    assert not set(program.get("lacks", ())) & kinds


def edit(path: Path, root: str, edits: dict[str, Any], prefix: str) -> None:
    """Change keys of a YAML file below `root`; the first part of each has `prefix` in the file."""
    written = yaml.safe_load(path.read_text())
    plain = {key.removeprefix(prefix): value for key, value in written[root].items()}
    after = changed(plain, edits)
    written[root] = {f"{prefix}{key}": value for key, value in after.items()}
    path.write_text(yaml.safe_dump(written))


def short(token: str) -> str:
    """`ec2.Vpc` for `aws:ec2/vpc:Vpc`."""
    parts = token.split(":")
    return f"{parts[1].partition('/')[0]}.{parts[-1]}" if len(parts) == 3 else token
