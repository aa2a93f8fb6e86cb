"""What a site's GPUs can be asked to do: split by MIG, and limited in power and clocks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CATALOG = Path(__file__).parent / "catalog/site_gpus.toml"

BRANCH = "580"
"""The default branch of the driver: long-term support until June 2028, with CUDA 13. Source:
NVIDIA's table of supported drivers and CUDA toolkit versions, read 2026-11-21."""


MODELS = {
    "2235": "NVIDIA A40",
    "26b9": "NVIDIA L40S",
    "2330": "NVIDIA H100 80GB HBM3",
    "2331": "NVIDIA H100 PCIe",
    "2321": "NVIDIA H100 NVL",
    "20b5": "NVIDIA A100 80GB PCIe",
    "27b8": "NVIDIA L4",
}
"""PCI device ids of NVIDIA's GPUs for servers (the PCI ID repository), by the driver's names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteGpu:
    """A GPU of the catalog. `mig` says how many instances of each profile fit at once."""

    name: str
    max_w: int
    pcie_gen: int
    pcie_width: int
    memory_gib: int
    mig: Mapping[str, int]
    sources: tuple[str, ...]


@cache
def site_gpus() -> dict[str, SiteGpu]:
    """Every GPU that is known, by the name that nvidia-smi gives it."""
    written = tomllib.loads(CATALOG.read_text())["gpu"]
    return {
        name: SiteGpu(name=name, **{**each, "sources": tuple(each["sources"])})
        for name, each in written.items()
    }


def full_name(model: str) -> str:
    """`model` as nvidia-smi writes it: `L40S` and `NVIDIA L40S` are one."""
    return model if model.startswith("NVIDIA ") else f"NVIDIA {model}"


def refusals(gpus: Sequence[Mapping[str, Any]]) -> list[str]:
    """What of a host's `gpus` (landfall.model.host.Gpu, as plain data) cannot be done, in words."""
    return [
        f"host.gpus.{index}.{field}: {message}"
        for index, gpu in enumerate(gpus)
        for field, message in _refusals(gpu, site_gpus().get(full_name(gpu["model"])))
    ]


def settings(gpus: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a host's own program is told about its GPUs: the promise, with the number of instances.

    Call it only where `refusals` has found nothing.
    """
    return [
        {
            "model": full_name(gpu["model"]),
            "count": gpu["count"],
            "numa_nodes": list(gpu.get("numa_nodes") or ()),
            "pcie_width": gpu.get("pcie_width"),
            "mig": gpu.get("mig"),
            "instances": _instances(gpu),
            "power_limit_w": gpu.get("power_limit_w"),
            "clocks_mhz": list(gpu["clocks_mhz"]) if gpu.get("clocks_mhz") else None,
        }
        for gpu in gpus
    ]


def _instances(gpu: Mapping[str, Any]) -> int:
    return site_gpus()[full_name(gpu["model"])].mig[gpu["mig"]] if gpu.get("mig") else 0


def _refusals(gpu: Mapping[str, Any], known: SiteGpu | None) -> Iterator[tuple[str, str]]:
    clocks = gpu.get("clocks_mhz")
    if clocks and clocks[0] > clocks[1]:
        yield "clocks_mhz", f"{clocks[0]} is above {clocks[1]}; the lowest clock comes first"
    mig, limit, width = gpu.get("mig"), gpu.get("power_limit_w"), gpu.get("pcie_width")
    if known is None:
        if mig:
            yield "mig", f"{gpu['model']} is not in the catalog of GPUs, so {mig} cannot be checked"
        return
    if mig and not known.mig:
        yield "mig", f"{known.name} cannot be split by MIG; leave mig out"
    elif mig and mig not in known.mig:
        yield "mig", f"{known.name} has no profile {mig}; it has {', '.join(known.mig)}"
    if limit and limit > known.max_w:
        yield "power_limit_w", f"{limit} W is more than {known.name} may draw, {known.max_w} W"
    if width and width > known.pcie_width:
        yield "pcie_width", f"{known.name} has {known.pcie_width} lanes, not {width}"


def to_install(
    listed: Sequence[str],
    pinned: Mapping[str, str],
    unpinned: Sequence[str] = (),
    *,
    upgrade: bool = False,
) -> list[str]:
    """What apt is asked for: `name=version`, or the name alone where no version is pinned.

    A package that is installed in another version is asked for only with `upgrade`: a driver is
    not changed below what uses it.

    Args:
        listed: lines of dpkg-query, as `ii  name version`.
        pinned: the version of each package.
        unpinned: packages that follow another one's version.
        upgrade: change what is installed in another version.
    """
    have = _installed(listed)
    wanted = [
        f"{name}={version}"
        for name, version in pinned.items()
        if name not in have or (upgrade and have[name] != version)
    ]
    return [*wanted, *(name for name in unpinned if name not in have)]


def to_hold(listed: Sequence[str], names: Sequence[str]) -> list[str]:
    """The packages among `names` that apt may still change, in the lines of dpkg-query."""
    held = {fields[1] for line in listed if len(fields := line.split()) > 1 and line[:1] == "h"}
    return [name for name in names if name not in held]


def _installed(listed: Sequence[str]) -> dict[str, str]:
    rows = [line.split() for line in listed if line[1:2] == "i"]
    return {row[1]: row[2] for row in rows if len(row) > 2}  # noqa: PLR2004  state, name, version
