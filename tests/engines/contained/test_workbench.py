"""What keeps a plan from a host: all of it at once, each with what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from engines import workbench
from engines.facts import Facts
from engines.plan import Plan
from engines.planned import BuildNeed
from engines.workbench import Bench
from landfall.errors import Refused
from tests.engines.contained.conftest import HOST, Making

GIB = 2**30
L4 = {"name": "NVIDIA L4", "compute_capability": "8.9", "memory_mib": 23034}
OLD = {"name": "NVIDIA L40S", "compute_capability": "8.6", "memory_mib": 46068}
NEEDS = {"memory of the host": 64 * GIB, "memory of one GPU": 40 * GIB, "disk": 100 * GIB}


def bench(**changes: Any) -> Bench:
    here = {**HOST, **{name: value for name, value in changes.items() if name in HOST}}
    rest = {name: value for name, value in changes.items() if name not in HOST}
    whole: dict[str, Any] = {"free_mib": (45_000, 45_000), "disk": 200 * GIB, "image": True, **rest}
    return Bench(here=Facts.model_validate(here), **whole)


@pytest.fixture
def large(planned: Making) -> Plan:
    """A plan that takes what NEEDS says, on one GPU."""
    needs = tuple(BuildNeed(name=name, size=size, why="") for name, size in NEEDS.items())
    return planned().model_copy(update={"needs": needs})


def told(plan: Plan, there: Bench) -> str:
    with pytest.raises(Refused) as caught:
        workbench.check(plan, there)
    return str(caught.value)


def test_a_host_that_has_it_all_gives_the_gpus_that_are_free(large: Plan) -> None:
    assert workbench.check(large, bench()) == ("nvidia.com/gpu=0",)
    assert workbench.check(large, bench(free_mib=(500, 45_000))) == ("nvidia.com/gpu=1",)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"devices": [L4], "free_mib": (23_000,)},
            "gpu: the plan is for NVIDIA L40S; this host has NVIDIA L4",
        ),
        ({"devices": [], "gpus": [], "free_mib": ()}, "this host has none"),
        (
            {"devices": [OLD], "free_mib": (45_000,)},
            "compute capability: L40S has 8.9; this GPU has 8.6",
        ),
        ({"driver": ""}, "driver: does not tell its version"),
        ({"container": "docker 27.0"}, "container: podman is needed, not docker 27.0"),
        ({"container": ""}, "container: podman is needed, not nothing"),
        ({"image": False}, "is not here; pull it from the site's registry"),
        ({"memory_gib": 62}, "memory: the build takes 64.00 GiB at least; this host has 62 GiB"),
        ({"disk": 99 * GIB}, "disk: the build takes 100.00 GiB more at least; 99.00 GiB are free"),
        ({"free_mib": (900, 900)}, "gpu memory: the build takes 40.00 GiB of each of 1"),
        ({"free_mib": (None, None)}, "free are unknown, unknown"),
    ],
)
def test_what_is_not_there_is_told(changes: dict[str, Any], expected: str, large: Plan) -> None:
    assert expected in told(large, bench(**changes))


def test_all_of_it_is_told_at_once(large: Plan) -> None:
    found = told(large, bench(memory_gib=1, disk=0, free_mib=(0, 0), driver="", image=False))
    assert found.count("\n  ") == 5


def test_more_gpus_than_there_are(planned: Making) -> None:
    made = planned(parallelism={"tensor": 2})
    assert workbench.check(made, bench()) == ("nvidia.com/gpu=0", "nvidia.com/gpu=1")
    one = bench(devices=HOST["devices"][:1], free_mib=(45_000,))  # type: ignore[index]
    assert "the plan takes 2 NVIDIA L40S; this host has 1" in told(made, one)
    assert "of each of 2; free are 45000 MiB, 500 MiB" in told(made, bench(free_mib=(45_000, 500)))


def test_a_plan_that_is_not_whole(planned: Making) -> None:
    found = told(planned(container=""), bench())
    assert "plan: is not whole: container: PATH@sha256:DIGEST" in found


def test_a_tool_that_writes_nobody_knows_where(planned: Making) -> None:
    made = planned(mode="pytorch", version="1.3.0", precision="fp8")
    assert "huggingface_example.sh: where it writes was not established" in told(made, bench())
