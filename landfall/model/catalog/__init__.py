"""Dated data with its sources: GPU instance types; prices are in `prices`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
GPU_INSTANCES = FOLDER / "gpu_instances.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceType:
    """A GPU instance type of AWS. What is None is not established.

    Attributes:
        type: its name.
        gpu: the kind of GPU, and `gpus` how many; `gpu_mem_mib` is the memory of one in MiB.
        vcpu: virtual processors.
        mem_gib: memory in GiB.
        net_gbps: network bandwidth of all cards together, in Gbit/s.
        efa: how many Elastic Fabric Adapters it takes at most; 0 where it takes none.
        nvme_gb: local NVMe in GB (10^9 bytes), all disks together.
        nvme_disks: how many disks that is.
        arch: of its processors: x86_64 or arm64.
        network_cards: how many; they are numbered from 0.
        efa_on_card_0: whether card 0 takes an EFA; if not, they start at card 1.
        usd_hr_us_east_1: on-demand Linux price per hour in us-east-1, in US dollars, of the date
            in the data file's `source`.
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
    nvme_disks: int | None
    arch: str | None
    network_cards: int | None
    efa_on_card_0: bool | None
    usd_hr_us_east_1: float | None

    @property
    def family(self) -> str:
        """The part of its name before the size: p5en of p5en.48xlarge."""
        return self.type.partition(".")[0]


@cache
def instance_types() -> dict[str, InstanceType]:
    """Every GPU instance type that is known, by name."""
    return {each["type"]: InstanceType(**each) for each in _written()["instances"]}


def instance_type(name: str) -> InstanceType:
    """The GPU instance type `name`.

    Raises:
        ValueError: the catalog does not have it; names those of its family that it has.
    """
    found = instance_types().get(name)
    if found is not None:
        return found
    why = _written()["not_listed"].get(name)
    if why:
        raise ValueError(f"{name} is not in the GPU catalog: it {why}")
    family = name.partition(".")[0]
    near = [each.type for each in instance_types().values() if each.family == family]
    known = near or sorted({f"{each.family}.*" for each in instance_types().values()})
    raise ValueError(f"{name} is not in the GPU catalog; it has {', '.join(known)}")


def gpu_source() -> str:
    """Where the data of `instance_types` was read, prices included."""
    return str(_written()["source"])


@cache
def _written() -> dict[str, Any]:
    written: dict[str, Any] = json.loads(GPU_INSTANCES.read_text())
    return written
