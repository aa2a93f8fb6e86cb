#!/usr/bin/python3
"""Compares the GPUs of this host with what is promised, and sets what a restart forgets.

`verify` tells what is wrong and what waits; `plan` what `apply` would do; `apply` does it. All
three read /etc/landfall/gpu.json and print JSON. Run by hand, by Ansible, and at boot by
landfall-gpu-settings.service: MIG's layout, power limits and locked clocks do not outlive a
restart (Hopper's MIG mode neither). Needs nothing but Python and the driver's own programs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PROMISE = "etc/landfall/gpu.json"
CLOCKS = "run/landfall/gpu-clocks.json"  # the driver cannot be asked which clocks are locked
APPLIED = "run/landfall/gpu-applied"  # landfall-gpu-cdi.path looks at it
LOADED = "proc/driver/nvidia/version"
MOK = "var/lib/dkms/mok.pub"  # where Debian's DKMS keeps the key that signs what it builds

REPAIRS = ("retired_pages/pending_retirement", "remapped_rows/remapped_row_pending")
TIMEOUT_S = 120
POWER_STEP_W = 1.0  # a limit that differs by less is the same: the driver rounds

INSTANCE = re.compile(r"^\|\s+(?P<gpu>\d+)\s+MIG\s+(?P<profile>\S+)\s+\d+\s+\d+\s+\d+:\d+\s+\|$")
VERSION = re.compile(r"NVRM version:.*?(?P<open>Open )?Kernel Module.*?\s(?P<version>\d+\.[\d.]+)")

Run = Callable[[Sequence[str]], "tuple[int, str]"]
"""Starts a program; its exit code (127 where it could not be run) and what it printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as nvidia-smi describes it. What it does not have or not tell is None."""

    index: int
    bus: str
    name: str
    numa_node: int | None
    pcie_width: int | None
    persistence: bool
    ecc: bool | None
    mig: bool | None
    mig_pending: bool | None
    power_w: float | None
    power_least_w: float | None
    power_default_w: float | None
    processes: int
    uncorrected: int
    repair_pending: bool
    remap_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The driver: of the loaded module, of nvidia-smi's library, of the package, and who signed."""

    loaded: str | None
    opened: bool
    library: str | None
    package: str | None
    secure_boot: bool | None
    signer: str
    enrolled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of this host's GPUs. `clocks` are those locked, by bus address."""

    driver: Driver
    gpus: tuple[Gpu, ...]
    instances: dict[int, list[str]]
    clocks: dict[str, list[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command that changes a GPU. With `bus` it locks that GPU's clocks, or unlocks them."""

    what: str
    argv: tuple[str, ...]
    bus: str = ""
    clocks: tuple[int, ...] = ()


def parse_query(text: str, node_of: Callable[[str], int | None]) -> tuple[str, tuple[Gpu, ...]]:
    """What `nvidia-smi -q -x` printed: the version of its library, and the GPUs.

    Raises:
        ValueError: it is not that output.
    """
    try:
        log = ElementTree.fromstring(text)  # noqa: S314  the driver's own program wrote it
    except ElementTree.ParseError as error:
        raise ValueError(f"nvidia-smi -q -x did not print XML: {error}") from error
    if log.tag != "nvidia_smi_log":
        raise ValueError(f"nvidia-smi -q -x printed <{log.tag}>, not <nvidia_smi_log>")
    gpus = tuple(_gpu(index, each, node_of) for index, each in enumerate(log.findall("gpu")))
    return log.findtext("driver_version", ""), gpus


def _gpu(index: int, each: ElementTree.Element, node_of: Callable[[str], int | None]) -> Gpu:
    bus = each.findtext("pci/pci_bus_id", "")
    power = "gpu_power_readings"
    volatile = each.find("ecc_errors/volatile")
    counts = [] if volatile is None else [c for c in volatile if "uncorrectable" in c.tag]
    return Gpu(
        index=index,
        bus=bus,
        name=each.findtext("product_name", ""),
        numa_node=node_of(bus),
        pcie_width=_whole(each.findtext("pci/pci_gpu_link_info/link_widths/current_link_width")),
        persistence=each.findtext("persistence_mode") == "Enabled",
        ecc=_enabled(each.findtext("ecc_mode/current_ecc")),
        mig=_enabled(each.findtext("mig_mode/current_mig")),
        mig_pending=_enabled(each.findtext("mig_mode/pending_mig")),
        power_w=_number(each.findtext(f"{power}/current_power_limit")),
        power_least_w=_number(each.findtext(f"{power}/min_power_limit")),
        power_default_w=_number(each.findtext(f"{power}/default_power_limit")),
        processes=len(each.findall("processes/process_info")),
        uncorrected=sum(_whole(count.text) or 0 for count in counts),
        repair_pending="Yes" in (each.findtext(path) for path in REPAIRS),
        remap_failed=each.findtext("remapped_rows/remapped_row_failure") == "Yes",
    )


def parse_instances(text: str) -> dict[int, list[str]]:
    """What `nvidia-smi mig -lgi` printed: the profiles of the instances of each GPU, sorted."""
    found: dict[int, list[str]] = {}
    for line in text.splitlines():
        match = INSTANCE.match(line.strip())
        if match:
            found.setdefault(int(match["gpu"]), []).append(match["profile"])
    return {gpu: sorted(profiles) for gpu, profiles in found.items()}


def read(run: Run, root: Path, package: str) -> Facts:
    """The facts of this host; `package` is the one whose version is the driver's."""
    driver = _driver(run, root, package)
    code, text = run(["nvidia-smi", "-q", "-x"])
    if code != 0:  # no module is loaded, or another than the library: nothing can be asked
        return Facts(driver=driver, gpus=(), instances={}, clocks={})
    library, gpus = parse_query(text, lambda bus: _numa_node(root, bus))
    listed = run(["nvidia-smi", "mig", "-lgi"])[1] if any(gpu.mig for gpu in gpus) else ""
    path = root / CLOCKS
    clocks = json.loads(path.read_text()) if path.exists() else {}
    driver = replace(driver, library=library)
    return Facts(driver=driver, gpus=gpus, instances=parse_instances(listed), clocks=clocks)


def _driver(run: Run, root: Path, package: str) -> Driver:
    path = root / LOADED
    match = VERSION.search(path.read_text()) if path.exists() else None
    state = run(["mokutil", "--sb-state"])[1]
    unsigned, signer = run(["modinfo", "-F", "signer", "nvidia"])
    key = root / MOK
    tested = run(["mokutil", "--test-key", str(key)])[1] if key.exists() else ""
    code, version = run(["dpkg-query", "-W", "-f=${db:Status-Abbrev} ${Version}", package])
    return Driver(
        loaded=match["version"] if match else None,
        opened=bool(match and match["open"]),
        library=None,
        # Hold and install are both wanted states: "hi" and "ii".
        package=upstream(version.split()[1]) if not code and version[1:2] == "i" else None,
        secure_boot=None if "SecureBoot" not in state else "SecureBoot enabled" in state,
        signer="" if unsigned else signer.strip(),
        enrolled="is not enrolled" not in tested,
    )


def upstream(version: str) -> str:
    """A Debian version without epoch and revision: 580.95.05 of 1:580.95.05-1."""
    return version.rpartition(":")[2].partition("-")[0]


def assign(promise: Sequence[dict[str, Any]], gpus: Sequence[Gpu]) -> list[tuple[Gpu, Any]]:
    """Each GPU with what is promised of it: those of a model in the order of their slots."""
    left, pairs = list(gpus), []
    for wanted in promise:
        same = [gpu for gpu in left if gpu.name == wanted["model"]]
        pairs += [(gpu, wanted) for gpu in same[: wanted["count"]]]
        left = [gpu for gpu in left if gpu not in same[: wanted["count"]]]
    return sorted(pairs, key=lambda pair: pair[0].index)


def plan(promise: Sequence[dict[str, Any]], facts: Facts) -> tuple[list[Step], list[str]]:
    """What to run, in order, and what has to wait until nothing runs on a GPU."""
    steps: list[Step] = []
    waiting: list[str] = []
    for gpu, wanted in assign(promise, facts.gpus):
        layout = list(_layout(gpu, wanted, facts.instances.get(gpu.index, [])))
        if layout and gpu.processes:
            waiting.append(f"GPU {gpu.index}: its MIG layout changes when the host is drained")
        else:
            steps += layout
        steps += _power(gpu, wanted)
        steps += _clocks(gpu, wanted, facts.clocks.get(gpu.bus))
    return steps, waiting


def _layout(gpu: Gpu, wanted: dict[str, Any], have: list[str]) -> Iterator[Step]:
    profiles = [wanted["mig"]] * wanted["instances"] if wanted["mig"] else []
    smi = ("nvidia-smi", "-i", gpu.bus)
    mig = ("nvidia-smi", "mig", "-i", gpu.bus)
    if profiles and not gpu.mig:
        yield Step(what=f"GPU {gpu.index}: MIG mode on", argv=(*smi, "-mig", "1"))
    if have and have != profiles:
        remove = f"GPU {gpu.index}: remove {len(have)} instances"
        yield Step(what=f"{remove} of computing", argv=(*mig, "-dci"))
        yield Step(what=remove, argv=(*mig, "-dgi"))
    if profiles and have != profiles:
        what = f"GPU {gpu.index}: {len(profiles)} instances {wanted['mig']}"
        yield Step(what=what, argv=(*mig, "-cgi", ",".join(profiles), "-C"))
    if gpu.mig and not profiles:
        yield Step(what=f"GPU {gpu.index}: MIG mode off", argv=(*smi, "-mig", "0"))


def _power(gpu: Gpu, wanted: dict[str, Any]) -> Iterator[Step]:
    limit = wanted["power_limit_w"] or gpu.power_default_w
    if limit is None or gpu.power_w is None or abs(gpu.power_w - limit) < POWER_STEP_W:
        return
    what = f"GPU {gpu.index}: power limit {gpu.power_w:g} W to {limit:g} W"
    yield Step(what=what, argv=("nvidia-smi", "-i", gpu.bus, "-pl", f"{limit:g}"))


def _clocks(gpu: Gpu, wanted: dict[str, Any], have: list[int] | None) -> Iterator[Step]:
    clocks = wanted["clocks_mhz"]
    if clocks == have or (not clocks and not have):
        return
    change = ("-lgc", f"{clocks[0]},{clocks[1]}") if clocks else ("-rgc",)
    words = f"locked from {clocks[0]} to {clocks[1]} MHz" if clocks else "unlocked"
    what, argv = f"GPU {gpu.index}: clocks {words}", ("nvidia-smi", "-i", gpu.bus, *change)
    yield Step(what=what, argv=argv, bus=gpu.bus, clocks=tuple(clocks or ()))


def pending(wanted: dict[str, Any], driver: Driver) -> list[str]:
    """What of the driver waits for a restart or for the upgrade playbook."""
    if driver.package is None:
        return [f"driver: {wanted['version']} is not installed yet"]
    found = []
    if driver.package != wanted["version"]:
        words = f"{driver.package} is installed, {wanted['version']} is wanted"
        found.append(f"driver: {words}; playbooks/upgrade.yml changes it, host by host")
    if driver.loaded is None:
        found.append(f"restart: {driver.package} is installed and no driver is loaded")
    elif driver.loaded != driver.package:
        found.append(f"restart: {driver.loaded} is loaded, {driver.package} is installed")
    return found


def problems(promise: dict[str, Any], facts: Facts) -> list[str]:
    """Every difference between what is promised and what is there."""
    found = list(_signature(promise, facts.driver))
    driver = facts.driver
    if driver.loaded and not driver.opened:
        found.append(f"driver: {driver.loaded} is loaded, and not with the open kernel modules")
    if driver.loaded and driver.library != driver.loaded:
        found.append(f"driver: {driver.loaded} is loaded, nvidia-smi says {driver.library}")
    if driver.loaded:
        found += _counts(promise["gpus"], facts.gpus)
    pairs = assign(promise["gpus"], facts.gpus)
    for gpu, wanted in pairs:
        found += [f"GPU {gpu.index} ({gpu.name}): {each}" for each in _one(gpu, wanted)]
    for wanted in promise["gpus"]:
        nodes = [str(gpu.numa_node) for gpu, other in pairs if other is wanted]
        named = [str(node) for node in wanted["numa_nodes"]]
        if named and nodes and sorted(nodes) != sorted(named):
            words = f"promised on nodes {' '.join(named)}, found on {' '.join(nodes)}"
            found.append(f"{wanted['model']}: {words}")
    return found


def _signature(promise: dict[str, Any], driver: Driver) -> Iterator[str]:
    wanted, found = promise["secure_boot"], driver.secure_boot
    if wanted is not None and wanted is not found:
        words = {True: "on", False: "off", None: "not known"}
        yield f"Secure Boot: promised {words[wanted]}, is {words[found]}"
    if not driver.secure_boot or driver.package is None:
        return
    if not driver.signer:
        yield (
            "Secure Boot is on and the module nvidia is not signed, so the kernel refuses it. "
            "Ubuntu: install the signed modules (linux-modules-nvidia-…). Debian: let DKMS sign "
            f"it, and enrol its key: mokutil --import /{MOK}, restart, confirm at the console"
        )
    elif not driver.enrolled:
        yield (
            f"Secure Boot is on and the key /{MOK} that signed the module is not enrolled: "
            f"mokutil --import /{MOK}, restart, confirm at the console"
        )


def _counts(promise: Sequence[dict[str, Any]], gpus: Sequence[Gpu]) -> Iterator[str]:
    names = [gpu.name for gpu in gpus]
    for model in dict.fromkeys([*(wanted["model"] for wanted in promise), *names]):
        wanted = sum(each["count"] for each in promise if each["model"] == model)
        if wanted != names.count(model):
            yield f"{model}: promised {wanted}, found {names.count(model)}"


def _one(gpu: Gpu, wanted: dict[str, Any]) -> Iterator[str]:
    width, limit = wanted["pcie_width"], wanted["power_limit_w"]
    if width and gpu.pcie_width != width:
        yield f"promised {width} PCIe lanes, has {gpu.pcie_width}; reseat it, look at the riser"
    if gpu.ecc is not True:
        yield "ECC is off: nvidia-smi -e 1, then restart"
    if not gpu.persistence:
        yield "persistence mode is off; is nvidia-persistenced running?"
    if gpu.uncorrected:
        yield f"{gpu.uncorrected} uncorrected memory errors since the driver was loaded"
    if gpu.repair_pending:
        yield "memory waits to be retired or remapped: drain the host and restart it"
    if gpu.remap_failed:
        yield "memory could not be remapped: replace the GPU"
    if gpu.mig_pending is not None and gpu.mig_pending is not gpu.mig:
        yield "its MIG mode changes with a reset: drain the host and restart it"
    if limit and gpu.power_least_w and limit < gpu.power_least_w:
        yield f"power_limit_w {limit} is below what it takes, {gpu.power_least_w:g} W"


def apply(steps: Sequence[Step], facts: Facts, run: Run, root: Path) -> list[str]:
    """Carry the steps out, as far as it goes; what failed, with the program's own words."""
    locked = dict(facts.clocks)
    for step in steps:
        code, text = run(step.argv)
        if code != 0:
            return [f"{step.what}: {' '.join(step.argv)} ended with {code}: {text.strip()}"]
        _write(root / APPLIED, f"{step.what}\n")
        if step.bus:
            locked = {bus: each for bus, each in locked.items() if bus != step.bus}
            locked |= {step.bus: list(step.clocks)} if step.clocks else {}
            _write(root / CLOCKS, json.dumps(locked))
    return []


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def _numa_node(root: Path, bus: str) -> int | None:
    # nvidia-smi writes the domain with eight digits, sysfs with four.
    domain, _, rest = bus.lower().partition(":")
    path = root / "sys/bus/pci/devices" / f"{domain[-4:]}:{rest}" / "numa_node"
    return int(path.read_text()) if path.exists() else None


def _enabled(text: str | None) -> bool | None:
    return {"Enabled": True, "Disabled": False}.get(text or "")


def _number(text: str | None) -> float | None:
    match = re.match(r"\d+(\.\d+)?", text or "")
    return float(match[0]) if match else None


def _whole(text: str | None) -> int | None:
    return None if _number(text) is None else int(_number(text) or 0)


def _run(argv: Sequence[str]) -> tuple[int, str]:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, str(error)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


def main(argv: Sequence[str], run: Run = _run, root: Path = Path("/")) -> int:
    """One of `verify`, `plan`, `apply`; 1 where something is wrong."""
    if len(argv) != 1 or argv[0] not in ("verify", "plan", "apply"):
        sys.exit("give one of: verify, plan, apply")
    promise = json.loads((root / PROMISE).read_text())
    facts = read(run, root, promise["driver"]["package"])
    before = plan(promise["gpus"], facts)[0] if argv[0] == "apply" else []
    failed = apply(before, facts, run, root)
    after = read(run, root, promise["driver"]["package"]) if before else facts
    steps, waiting = plan(promise["gpus"], after)
    answer = {
        "done": [step.what for step in before if step not in steps],
        "steps": [{"what": step.what, "argv": list(step.argv)} for step in steps],
        "pending": [*pending(promise["driver"], after.driver), *waiting],
        "problems": [*failed, *problems(promise, after)],
    }
    print(json.dumps(answer, indent=1))
    return 1 if answer["problems"] and argv[0] != "plan" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
