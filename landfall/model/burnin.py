"""Whether a server is good enough to serve: thresholds, verdicts, its record, and who is admitted.

A record belongs to the hardware on which it was measured, by a digest over the parts: another disk,
card or module makes another digest, and the record is worth nothing any more.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

CATALOG = Path(__file__).parent / "catalog/burnin.toml"
VERSION = 1
UNKNOWN = "unknown"
"""A legal threshold: the figure is recorded, not judged."""

MIB_PER_STEP = 1024
"""Memory differs by some MiB from kernel to kernel; a module is never smaller than this."""

SPEEDS = (
    "cpu_ops_per_s",
    "disk_read_mib_s",
    "disk_write_mib_s",
    "disk_read_iops",
    "disk_write_iops",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure with what it had to reach; `least` is None where that is not known."""

    name: str
    value: float
    unit: str
    least: float | None

    @property
    def fails(self) -> bool:
        """Whether a known bound was missed."""
        return self.least is not None and self.value < self.least


@cache
def catalog() -> dict[str, Any]:
    """The thresholds, as written."""
    return tomllib.loads(CATALOG.read_text())


def digest(hardware: Mapping[str, Any], gpus: Sequence[str] = ()) -> str:
    """The identity of a host's parts, from what the module `landfall_hardware` read.

    Names, firmware, speeds and free space are left out: only what somebody would have to unscrew.
    `gpus` are the GPUs' own identifiers, which only their driver can read.
    """
    parts = {
        "cpu": [hardware["cpu"][name] for name in ("model", "sockets", "cores")],
        "memory": [hardware["memory"]["mib"] // MIB_PER_STEP, hardware["memory"]["dimms"]],
        "disks": sorted(
            [disk["serial"], disk["bytes"]] for disk in hardware["disks"] if disk["serial"]
        ),
        "nics": sorted(nic["mac"] for nic in hardware["nics"].values() if _is_card(nic)),
        "gpus": [sorted([gpu["address"], gpu["device"]] for gpu in hardware["gpus"]), sorted(gpus)],
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _is_card(nic: Mapping[str, Any]) -> bool:
    # Bridges, tunnels, bonds and VLANs have no place in the machine.
    return nic["numa_node"] is not None and bool(nic["mac"])


def pairs(addresses: Mapping[str, str]) -> list[dict[str, str]]:
    """Which hosts measure the network to which: a ring, so that each sends once and receives once.

    `addresses` are those in the network that is measured, by host. One host alone measures nothing.
    """
    names = sorted(addresses)
    if len(names) < 2:  # noqa: PLR2004  a pair
        return []
    ring = zip(names, [*names[1:], names[0]], strict=True)
    return [{"from": one, "to": other, "address": addresses[other]} for one, other in ring]


def record(
    measured: Mapping[str, Any],
    *,
    hardware: Mapping[str, Any],
    host: str,
    when: str,
    gpus: Sequence[str] = (),
    network: Sequence[Mapping[str, Any]] = (),
    bounds: Mapping[str, float | str] | None = None,
) -> dict[str, Any]:
    """The record of a burn-in: every figure, every problem, and whether it passed.

    Args:
        measured: what the host's own program printed.
        hardware: what `landfall_hardware` read.
        host: the inventory's name.
        when: UTC, ISO 8601.
        gpus: the GPUs' own identifiers.
        network: pairs with `to`, `gbit_s` and the port's `speed_gbps`.
        bounds: the site's own, instead of the catalog's; `unknown` records without judging.

    Raises:
        ValueError: a bound has a name that the catalog does not know.
    """
    known: dict[str, Any] = catalog()["any"]
    if strange := sorted(set(bounds or {}) - set(known)):
        raise ValueError(f"burnin_bounds: no {', '.join(strange)}; there are {', '.join(known)}")
    known = known | dict(bounds or {})
    results = [*_speeds(measured["figures"], hardware, known), *_network(network, known)]
    problems = [
        f"{each.name}: {each.value:.6g} {each.unit}, at least {each.least:.6g} is needed"
        for each in results
        if each.fails
    ]
    problems += [*_counters(measured["before"], measured["after"]), *_gpu(measured["gpu"])]
    problems += [f"{name}: {why}" for name, why in measured["failed"].items()]
    return {
        "version": VERSION,
        "host": host,
        "hardware": digest(hardware, gpus),
        "when": when,
        "results": [asdict(each) for each in results],
        "gpu": [{"name": test["name"], "status": test["status"]} for test in measured["gpu"]],
        "counters": dict(measured["after"]),
        "not_measured": dict(measured["skipped"]),
        "problems": problems,
        "passed": not problems,
    }


def refusal(
    kept: Mapping[str, Any] | None, hardware: Mapping[str, Any], gpus: Sequence[str] = ()
) -> str:
    """Why a host may not serve, in words; empty where its record says that it may."""
    if not kept:
        return "it has no burn-in record; run playbooks/burnin.yml"
    if kept.get("version") != VERSION:
        return f"its burn-in record has version {kept.get('version')}, not {VERSION}; run it again"
    if kept["hardware"] != digest(hardware, gpus):
        return f"its hardware is not that of its burn-in on {kept['when']}; run it again"
    if not kept["passed"]:
        return f"its burn-in on {kept['when']} failed: {'; '.join(kept['problems'])}"
    return ""


def drift(baseline: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is worse than it was when the host was admitted, beyond what is tolerated."""
    before = {each["name"]: each for each in baseline["results"]}
    tolerated = 1 - float(catalog()["any"]["drift_share"])
    return [
        f"{each['name']}: {each['value']:.6g} {each['unit']}, was {was['value']:.6g}"
        for each in now["results"]
        if (was := before.get(each["name"])) and each["value"] < was["value"] * tolerated
    ]


def parse_diag(text: str) -> list[dict[str, Any]]:
    """The tests in the output of `dcgmi diag --json`: name, status, and what each GPU complains of.

    A test's own summary counts where there is one (DCGM 4), else the worst of its results.

    Raises:
        ValueError: it is not that output.
    """
    start = text.find("{")  # warnings of the engine may come first
    try:
        root = json.loads(text[max(start, 0) :])
        diagnostic = root.get("DCGM Diagnostic") or root["DCGM GPU Diagnostic"]
        tests = [test for part in diagnostic["test_categories"] for test in part["tests"]]
        return [_test(test) for test in tests]
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise ValueError(f"dcgmi diag --json did not print its results: {error}") from error


def _test(test: Mapping[str, Any]) -> dict[str, Any]:
    results = test.get("results") or []
    statuses = [str(each.get("status", "")).capitalize() for each in results]
    worst = next((each for each in ("Fail", "Warn", "Pass") if each in statuses), "Skip")
    warnings = [
        each["warning"] if isinstance(each, Mapping) else str(each)
        for result in results
        for each in _list(result.get("warnings"))
    ]
    summary = (test.get("test_summary") or {}).get("status")
    return {"name": test["name"], "status": summary or worst, "warnings": warnings}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _speeds(
    figures: Mapping[str, float], hardware: Mapping[str, Any], bounds: Mapping[str, Any]
) -> Iterator[Result]:
    for name in SPEEDS:
        if name in figures:
            unit = name.split("_", 1)[1]
            yield Result(name=name, value=figures[name], unit=unit, least=_known(bounds[name]))
    model = hardware["cpu"]["model"] or ""
    peaks = [v["value"] for cpu, v in catalog()["memory_peak_mb_s"].items() if cpu in model]
    nodes, sockets = hardware["cpu"]["numa_nodes"] or 1, hardware["cpu"]["sockets"] or 1
    share = _known(bounds["memory_share"])
    least = share * peaks[0] * sockets / nodes if peaks and share is not None else None
    for name in sorted(figure for figure in figures if figure.startswith("memory_mb_s_node")):
        yield Result(name=name, value=figures[name], unit="MB/s", least=least)


def _network(measured: Sequence[Mapping[str, Any]], bounds: Mapping[str, Any]) -> Iterator[Result]:
    share = _known(bounds["network_share"])
    for each in measured:
        speed = each.get("speed_gbps")
        least = share * float(speed) if speed and share is not None else None
        name = f"network_to_{each['to']}"
        yield Result(name=name, value=float(each["gbit_s"]), unit="Gbit/s", least=least)


def _known(bound: float | str) -> float | None:
    return None if bound == UNKNOWN else float(bound)


def _counters(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for name, value in after.items():
        if name.endswith("critical_warning"):
            if value:
                yield f"{name}: {value}; the disk itself says that it is failing"
        elif value > before.get(name, 0):
            yield f"{name}: {value - before.get(name, 0)} new during the burn-in"


def _gpu(tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for test in tests:
        if test["status"] == "Fail":
            yield f"GPU diagnostic {test['name']}: {'; '.join(test['warnings']) or 'failed'}"
