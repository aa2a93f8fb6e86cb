#!/usr/bin/env python3
"""Stands in for nvidia-smi in tests: it keeps its GPUs in a JSON file and changes them as asked.

The file is that of the environment variable SMI_STATE, or /dev/shm/stand-in-smi.json.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = "/dev/shm/stand-in-smi.json"
WHOLE = """<?xml version="1.0" ?>
<nvidia_smi_log><driver_version>{driver}</driver_version>{gpus}</nvidia_smi_log>
"""
ONE = """<gpu id="{bus}"><product_name>{name}</product_name>
<persistence_mode>{persistence}</persistence_mode>
<mig_mode><current_mig>{mig}</current_mig><pending_mig>{mig}</pending_mig></mig_mode>
<pci><pci_bus_id>{bus}</pci_bus_id><pci_gpu_link_info><link_widths>
<current_link_width>{width}x</current_link_width></link_widths></pci_gpu_link_info></pci>
<ecc_mode><current_ecc>{ecc}</current_ecc></ecc_mode>
<ecc_errors><volatile><dram_uncorrectable>{uncorrected}</dram_uncorrectable></volatile></ecc_errors>
<remapped_rows><remapped_row_pending>{pending}</remapped_row_pending>
<remapped_row_failure>No</remapped_row_failure></remapped_rows>
<gpu_power_readings><current_power_limit>{power:.2f} W</current_power_limit>
<default_power_limit>{default:.2f} W</default_power_limit>
<min_power_limit>{least:.2f} W</min_power_limit></gpu_power_readings>
<processes>{processes}</processes></gpu>
"""
PROCESS = "<process_info><pid>1</pid></process_info>"
GPU: dict[str, Any] = {
    "name": "NVIDIA H100 PCIe",
    "bus": "00000000:4F:00.0",
    "mig": "Disabled",
    "instances": [],
    "width": 16,
    "ecc": "Enabled",
    "persistence": "Enabled",
    "uncorrected": 0,
    "pending": "No",
    "power": 350.0,
    "default": 350.0,
    "least": 200.0,
    "running": 0,
    "clocks": None,
}


def answer(state: dict[str, Any], argv: list[str]) -> tuple[int, str]:
    """What nvidia-smi would print for `argv`; `state` is changed as the GPUs would be."""
    if argv == ["-q", "-x"]:
        if state.get("broken"):
            return 9, "NVIDIA-SMI has failed because it couldn't communicate with the driver."
        return 0, WHOLE.format(
            driver=state["driver"], gpus="".join(_one(gpu) for gpu in state["gpus"])
        )
    if argv[:2] == ["mig", "-lgi"]:
        return _listed(state)
    state["log"] = [*state.get("log", []), " ".join(argv)]
    words = argv[1:] if argv[0] == "mig" else argv
    [gpu] = [gpu for gpu in state["gpus"] if gpu["bus"] == words[1]]
    return _change(gpu, words[2:])


def _one(gpu: dict[str, Any]) -> str:
    return ONE.format(**gpu, processes=PROCESS * gpu["running"])


def _listed(state: dict[str, Any]) -> tuple[int, str]:
    rows = [
        f"|   {index}  MIG {profile:<14}  19        {number}          {number}:1     |"
        for index, gpu in enumerate(state["gpus"])
        for number, profile in enumerate(gpu["instances"])
    ]
    return (0, "\n".join(rows)) if rows else (6, "No GPU instances found: Not Found")


def _change(gpu: dict[str, Any], words: list[str]) -> tuple[int, str]:
    match words:
        case ["-pl", watts] if gpu["least"] <= float(watts) <= gpu["default"]:
            gpu["power"] = float(watts)
        case ["-lgc", clocks]:
            gpu["clocks"] = clocks
        case ["-rgc"]:
            gpu["clocks"] = None
        case ["-mig", on] if gpu["mig"] != "N/A" and not gpu["instances"]:
            gpu["mig"] = "Enabled" if on == "1" else "Disabled"
        case ["-dci"] | ["-dgi"] if gpu["running"]:
            return 19, "In use by another client"
        case ["-dci"]:
            pass
        case ["-dgi"]:
            gpu["instances"] = []
        case ["-cgi", profiles, "-C"] if gpu["mig"] == "Enabled" and not gpu["instances"]:
            gpu["instances"] = profiles.split(",")
        case _:
            return 3, f"Not Supported: {words}"
    return 0, "All done."


if __name__ == "__main__":
    path = Path(os.environ.get("SMI_STATE", STATE))
    held = json.loads(path.read_text())
    code, text = answer(held, sys.argv[1:])
    path.write_text(json.dumps(held))
    print(text)
    sys.exit(code)
