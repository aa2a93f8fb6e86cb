"""Whether the GPUs that an engine is given are those that it was built for."""

from __future__ import annotations

from typing import Any

import pytest

from engines.facts import Facts
from engines.supervise.check import check, problems
from landfall.errors import Refused
from tests.engines import stored
from tests.engines.test_preflight import ENGINE, HOST

A40 = {"name": "NVIDIA A40", "compute_capability": "8.6", "memory_mib": 46068}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[int], list[str]]] = {
    "those": ({}, {}, [1], []),
    "two of two": ({"parallelism": {"tensor": 2}}, {}, [0, 1], []),
    "too few": (
        {"parallelism": {"tensor": 2}},
        {},
        [1],
        ["gpus: 1 given; the engine needs 2"],
    ),
    "not there": ({}, {}, [2], ["gpu 2: not there; this host has 2 that the driver tells of"]),
    "another model": (
        {},
        {"devices": [HOST["devices"][0], A40]},
        [1],
        ["gpu 1: is NVIDIA A40; the engine was built for NVIDIA L40S"],
    ),
    "a driver that tells nothing": (
        {},
        {"devices": []},
        [0],
        ["gpu 0: not there; this host has 0 that the driver tells of"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_table(case: str) -> None:
    engine, host, gpus, told = CASES[case]
    about = stored.predicate(**{**ENGINE, **engine})
    here = Facts.model_validate({**HOST, **host})
    assert [str(each) for each in problems(about, here, gpus)] == told
    if told:
        with pytest.raises(Refused, match=told[0].partition(":")[2].strip()):
            check(about, here, gpus)
    else:
        check(about, here, gpus)
