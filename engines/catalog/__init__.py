"""What is known about GPUs, models and backends: data with sources, read once.

What was not established is None, and whoever shows it says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from engines import shape
from engines.shape import Shape

HERE = Path(__file__).parent

GB = 10**9
MIB = 2**20

DEFAULT_SOURCE = "ai-dynamo/aiconfigurator @095f58a5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU. Operations in 10^12 a second, dense; bandwidth in 10^9 bytes a second.

    Attributes:
        memory_mib: what the driver shows; None where that is not established.
        memory_gb: what the maker says.
        driver: its name as the driver gives it; the usual one where it is empty.
        not_established: what was looked for and not found.
    """

    name: str
    memory_gb: float
    bandwidth_gbs: float
    bf16: float
    compute_capability: str
    watts: int
    link: str
    memory_mib: int | None = None
    fp8: float | None = None
    fp4: float | None = None
    int8: float | None = None
    driver: str = ""
    sources: tuple[str, ...] = ()
    not_established: tuple[str, ...] = ()

    @property
    def driver_name(self) -> str:
        """As the driver and inventories write it."""
        return self.driver or f"NVIDIA {self.name}"

    @property
    def memory(self) -> int:
        """Bytes to plan with: what is visible, else the maker's number, which is below it."""
        if self.memory_mib is not None:
            return self.memory_mib * MIB
        return int(self.memory_gb * GB)

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability, to compare."""
        return _version(self.compute_capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of the catalog: its shape, and what its parameters must come to."""

    name: str
    shape: Shape
    parameters: int | None
    note: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Supported:
    """Whether something runs: True, False, or None where that is not established, and why."""

    answer: bool | None
    why: str


@cache
def gpus() -> dict[str, Gpu]:
    """Every GPU that is known, by name."""
    written = [
        {"sources": [DEFAULT_SOURCE], **each, "name": name} for name, each in _read("gpus").items()
    ]
    return {gpu.name: gpu for gpu in TypeAdapter(list[Gpu]).validate_python(written)}


@cache
def models() -> dict[str, Model]:
    """Every model that is known before it is downloaded, by name."""
    return {
        name: Model(
            name=name,
            shape=shape.read(each["config"], source=f"models.toml: {name}"),
            parameters=each.get("parameters"),
            note=each.get("note", ""),
            source=each.get("source", DEFAULT_SOURCE),
        )
        for name, each in _read("models").items()
    }


def modes() -> list[tuple[str, str]]:
    """Every backend with its modes."""
    return [(backend, mode) for backend, found in _support().items() for mode in found]


def modes_of(backend: str) -> list[str]:
    """The modes of one backend."""
    return list(_support()[backend])


def end(backend: str, mode: str) -> str:
    """Why a mode has no future, in words; empty where it has one."""
    return str(_support()[backend][mode].get("end", ""))


def window(backend: str, mode: str) -> tuple[str, str]:
    """The first and the last version that has a mode; empty where there is no bound."""
    found = _support()[backend][mode].get("versions", {})
    return str(found.get("first", "")), str(found.get("last", ""))


@cache
def supported(backend: str, mode: str, kind: str, precision: str, gpu: Gpu) -> Supported:
    """Whether `gpu` runs `precision` of `kind` (weights or cache) in a backend's mode."""
    table = _support()[backend][mode]
    where = f"{backend} in mode {mode}"
    rule = table[kind].get(precision)
    known = ", ".join(table[kind])
    if rule is None:
        return Supported(answer=False, why=f"{where} has no {precision} {kind}; it has {known}")
    here = gpu.compute_capability
    if here in rule.get("on", ()) or ("from" in rule and gpu.capability >= _version(rule["from"])):
        return Supported(answer=True, why="")
    if "open" in rule and here in rule.get("open_on", [here]):
        return Supported(answer=None, why=f"not established: {rule['open']}")
    runs = f"{rule['from']} and later" if "from" in rule else ", ".join(rule["on"])
    return Supported(
        answer=False,
        why=f"{precision} {kind} need compute capability {runs}; {gpu.name} has {here}",
    )


def listed(backend: str, mode: str, family: str, precision: str) -> bool:
    """Whether a backend's own table has a family of models in a recipe; 16 bit needs no table.

    A backend without such a table lists everything.
    """
    table = families(backend, mode)
    return not table or precision == "bf16" or precision in table.get(family, ())


def families(backend: str, mode: str) -> Mapping[str, list[str]]:
    """The recipes that a backend's own table has for each family; nothing where it has none."""
    found: Mapping[str, list[str]] = _support()[backend][mode].get("families", {})
    return found


@cache
def runs(backend: str, mode: str, kind: str, gpu: Gpu) -> tuple[str, ...]:
    """Every precision of `kind` (weights or cache) that `gpu` is known to run."""
    table = _support()[backend][mode][kind]
    return tuple(name for name in table if supported(backend, mode, kind, name, gpu).answer)


def precisions(backend: str, kind: str) -> list[str]:
    """Every precision of `kind` (weights or cache) that any mode of a backend has."""
    tables = [mode[kind] for mode in _support()[backend].values()]
    return list(dict.fromkeys(name for table in tables for name in table))


def software(backend: str, version: str) -> Mapping[str, str]:
    """What a release of a backend brings, such as `cuda`; empty where it was not established."""
    found = _read("software").get(backend, {})
    return {str(name): str(value) for name, value in found.get(release(version), {}).items()}


def release(version: str) -> str:
    """The two numbers of a version that its table goes by, such as 1.2 of 1.2.1."""
    return ".".join(version.split(".")[:2])


def _version(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


@cache
def _support() -> Mapping[str, Mapping[str, Any]]:
    return _read("support")


@cache
def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / f"{name}.toml").read_text())
