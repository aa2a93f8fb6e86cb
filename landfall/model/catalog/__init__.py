"""Dated data with its sources: GPU instance types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A GPU instance type of AWS.

    `gpu_mem_mib` is the memory of one GPU in MiB; `usd_hr_us_east_1` the on-demand Linux price per
    hour in us-east-1, in US dollars, of the date in the data file's `source`.
    """

    type: str
    gpu: str
    gpus: int
    gpu_mem_mib: int
    vcpu: int
    mem_gib: float
    net_gbps: float
    efa: int
    nvme_gb: int
    usd_hr_us_east_1: float | None


@cache
def instance_types() -> dict[str, InstanceType]:
    """Every GPU instance type that is known, by name."""
    written = json.loads((FOLDER / "gpu_instances.json").read_text())
    return {each["type"]: InstanceType(**each) for each in written["instances"]}
