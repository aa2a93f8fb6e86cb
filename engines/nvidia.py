"""What NVIDIA's driver and the programs for containers tell about a host with GPUs."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

from landfall import process
from landfall.errors import LandfallError
from landfall.model.parsing import Written

SMI = "nvidia-smi"
CAPABILITIES = (SMI, "--query-gpu=compute_cap", "--format=csv,noheader")
RUNTIMES = ("podman", "docker")
"""Programs that run containers, the one that the roles install first."""

Ask = Callable[[tuple[str, ...]], str]
"""Runs a command; what it printed, or nothing where it failed or is not there."""


class Device(Written):
    """One GPU, as its driver describes it. What it did not tell is empty or None."""

    name: str
    compute_capability: str = ""
    memory_mib: int | None = None


def ask(argv: tuple[str, ...]) -> str:
    """What a program of this host prints; nothing where it is not there or fails."""
    try:
        return process.run(argv).stdout
    except LandfallError:
        return ""


def read(ask: Ask) -> tuple[str, str, tuple[Device, ...]]:
    """Versions of the driver and of CUDA, and the GPUs, in the order of nvidia-smi."""
    try:
        log = ElementTree.fromstring(ask((SMI, "-q", "-x")))  # noqa: S314  the driver's own program
    except ElementTree.ParseError:  # the driver is not loaded, or is another than the tool
        return "", "", ()
    told = log.findall("gpu")
    capabilities = ask(CAPABILITIES).split()
    if len(capabilities) != len(told):
        capabilities = [""] * len(told)
    devices = [_device(each, found) for each, found in zip(told, capabilities, strict=True)]
    return log.findtext("driver_version", ""), log.findtext("cuda_version", ""), tuple(devices)


def _device(told: ElementTree.Element, capability: str) -> Device:
    memory = re.match(r"(\d+) MiB", told.findtext("fb_memory_usage/total", ""))
    known = capability if re.fullmatch(r"\d+\.\d", capability) else ""
    return Device(
        name=told.findtext("product_name", ""),
        compute_capability=known,
        memory_mib=int(memory[1]) if memory else None,
    )


def container(ask: Ask) -> str:
    """What runs containers here, with its version; nothing where nothing does."""
    for runtime in RUNTIMES:
        if found := re.search(r"\d+(?:\.\d+)+", ask((runtime, "--version"))):
            return f"{runtime} {found[0]}"
    return ""
