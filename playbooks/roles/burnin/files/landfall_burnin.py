#!/usr/bin/python3
"""Measures this host under load, and counts its hardware errors before and after. Prints JSON.

Programs: stress-ng (processors, and memory bandwidth node by node under numactl), fio (a file on
the array), dcgmi (GPUs). What is not installed is said under `skipped`, what failed under `failed`.
It judges nothing: that is done where thresholds are known.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

XID = re.compile(r"NVRM: Xid \(")
UNCORRECTED = re.compile(r"<(?:sram|dram)_uncorrectable\w*>(\d+)</")
FIO: dict[str, tuple[str, str, int, Callable[[Any], float]]] = {
    # name: what fio does, and the figure that is kept of it. Sequential as engines are loaded (they
    # are read whole), random as their files are mapped.
    "disk_write_mib_s": ("write", "1M", 16, lambda job: job["write"]["bw_bytes"] / 2**20),
    "disk_read_mib_s": ("read", "1M", 16, lambda job: job["read"]["bw_bytes"] / 2**20),
    "disk_read_iops": ("randread", "4k", 32, lambda job: job["read"]["iops"]),
    "disk_write_iops": ("randwrite", "4k", 32, lambda job: job["write"]["iops"]),
}
ABSENT = 127  # a shell's own code for a program that is not there
LONGEST_DIAG_S = 7200
"""The extended diagnostic takes more than an hour on some machines."""

Run = Callable[[Sequence[str], float], "tuple[int, str]"]
"""Starts a program with a limit in seconds; its exit code (127: cannot be run) and its output."""


class Measured:
    """Figures as they come, and what could not be had."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.skipped: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def tell(self, name: str, code: int, text: str) -> bool:
        """Whether a program did its work; notes why not."""
        if code == ABSENT:
            self.skipped[name] = text.strip()
        elif code != 0:
            self.failed[name] = f"ended with {code}: {text.strip()[-300:]}"
        return code == 0


def counters(run: Run, root: Path) -> dict[str, int]:
    """Errors that the hardware has counted: memory, disks, GPUs."""
    found = {"gpu_xids": len(XID.findall(run(["journalctl", "-k", "-b", "-o", "cat"], 60)[1]))}
    for name in ("ce_count", "ue_count"):
        paths = sorted((root / "sys/devices/system/edac/mc").glob(f"mc*/{name}"))
        found[f"memory_{name}"] = sum(int(path.read_text()) for path in paths)
    code, text = run(["nvidia-smi", "-q", "-x"], 60)
    if code == 0:
        volatile = "".join(re.findall(r"<volatile>.*?</volatile>", text, re.DOTALL))
        found["gpu_uncorrected"] = sum(int(value) for value in UNCORRECTED.findall(volatile))
    for device in sorted((root / "sys/class/nvme").glob("nvme*")):
        code, text = run(["nvme", "smart-log", "-o", "json", f"/dev/{device.name}"], 60)
        serial = (device / "serial").read_text().strip()
        if code == 0:
            log = json.loads(text)
            found[f"disk {serial} media_errors"] = int(log["media_errors"])
            found[f"disk {serial} critical_warning"] = int(log["critical_warning"])
    return found


def processors(run: Run, seconds: int, into: Measured) -> None:
    """Operations a second of all processors; a wrong result of a calculation is a failure."""
    load = ("--cpu", "0", "--cpu-method", "matrixprod", "--verify")
    text = _stress(run, "cpu_ops_per_s", [], load, seconds, into)
    if rate := _yaml(text, "bogo-ops-per-second-real-time"):
        into.figures["cpu_ops_per_s"] = rate


def memory(run: Run, root: Path, seconds: int, into: Measured) -> None:
    """Bandwidth of each NUMA node, by its own processors alone."""
    for node in sorted((root / "sys/devices/system/node").glob("node[0-9]*")):
        count = _cpus((node / "cpulist").read_text())
        name, number = f"memory_mb_s_{node.name}", node.name.removeprefix("node")
        if not count:
            into.skipped[name] = "no processor of its own"
            continue
        bound = ["numactl", f"--cpunodebind={number}", f"--membind={number}"]
        text = _stress(run, name, bound, ("--stream", str(count)), seconds, into)
        # The rates are the mean of one instance.
        rates = [_yaml(text, f"memory-{way}-rate-mb-per-sec") for way in ("read", "write")]
        if all(rates):
            into.figures[name] = sum(rates) * count
        elif text:
            into.failed[name] = f"{seconds} s are too short to measure it; see burnin_seconds"


def disk(run: Run, folder: Path, mib: int, seconds: int, into: Measured) -> None:
    """Four patterns on one file, which is removed again whatever happens."""
    scratch = folder / ".landfall-burnin"
    try:
        for name, (pattern, block, depth, figure) in FIO.items():
            words = [
                *("fio", f"--name={name}", f"--filename={scratch}", f"--size={mib}M"),
                *(f"--rw={pattern}", f"--bs={block}", f"--iodepth={depth}", "--direct=1"),
                *("--ioengine=libaio", "--time_based", f"--runtime={seconds}"),
                *("--output-format=json", "--end_fsync=1"),
            ]
            code, text = run(words, seconds * 10 + 300)
            if into.tell(name, code, text):
                into.figures[name] = figure(json.loads(text[text.index("{") :])["jobs"][0])
    finally:
        scratch.unlink(missing_ok=True)


def measure(plan: dict[str, Any], run: Run, root: Path) -> dict[str, Any]:
    """Everything, one after another: nothing else may be measured at the same time."""
    into = Measured()
    before = counters(run, root)
    processors(run, plan["seconds"], into)
    memory(run, root, plan["seconds"], into)
    disk(run, root / plan["folder"].lstrip("/"), plan["file_mib"], plan["disk_seconds"], into)
    diag = ""
    if plan["dcgm_level"]:
        # It ends with a code of its own where a test fails; what it prints says which.
        code, diag = run(["dcgmi", "diag", "-r", str(plan["dcgm_level"]), "--json"], LONGEST_DIAG_S)
        if code == ABSENT or not diag.strip():
            into.failed["gpu"] = f"dcgmi diag ended with {code}: {diag.strip()}"
            diag = ""
    return {
        "figures": into.figures,
        "skipped": into.skipped,
        "failed": into.failed,
        "diag": diag,
        "before": before,
        "after": counters(run, root),
    }


def _stress(
    run: Run, name: str, before: Sequence[str], load: Sequence[str], seconds: int, into: Measured
) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics"
        words = [*before, "stress-ng", *load, "--timeout", str(seconds), "--metrics"]
        code, text = run([*words, "--yaml", str(path)], seconds * 10 + 300)
        return path.read_text() if into.tell(name, code, text) else ""


def _yaml(text: str, key: str) -> float:
    """A number in stress-ng's own YAML; 0 where it is not there."""
    match = re.search(rf"^\s+{key}: ([\d.]+)$", text, re.M)
    return float(match[1]) if match else 0.0


def _cpus(listed: str) -> int:
    """How many processors a list such as 0-3,8 names."""
    ranges = [part.split("-") for part in listed.strip().split(",") if part]
    return sum(int(each[-1]) - int(each[0]) + 1 for each in ranges)


def _run(argv: Sequence[str], limit_s: float) -> tuple[int, str]:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s, check=False)
    except OSError as error:
        return ABSENT, f"{argv[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 124, f"{argv[0]}: no end after {limit_s:.0f} s"
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]), _run, Path("/"))))
