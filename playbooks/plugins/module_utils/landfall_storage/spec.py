"""What the inventory says about one host's array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A disk as the inventory promises it. Size in GB (10^9 bytes)."""

    serial: str
    size_gb: float
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tang:
    """A key server, known by the thumbprint of its signing key."""

    url: str
    thumbprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The array that is wanted; landfall.model.array says what each field means."""

    host: str
    name: str
    members: tuple[str, ...]
    spares: tuple[str, ...]
    disks: Mapping[str, Promise]
    twice: tuple[str, ...]
    mount: str
    chunk_kib: int
    bitmap: str
    sector_bytes: int
    workqueues: str
    unlock: str
    pcrs: tuple[int, ...]
    mount_options: tuple[str, ...]
    argon2_memory_kib: int
    tang: tuple[Tang, ...]
    rehearsal: bool

    @property
    def serials(self) -> tuple[str, ...]:
        """All disks of the array, spares last."""
        return (*self.members, *self.spares)

    @property
    def device(self) -> str:
        """The array's device, once made."""
        return f"/dev/md/{self.name}"

    @property
    def mapped(self) -> str:
        """The opened container."""
        return f"/dev/mapper/{self.name}"


def spec(parameters: Mapping[str, Any]) -> Spec:
    """The spec from the parameters of a module, which Ansible has typed already."""
    array = parameters["array"]
    serials = [disk["serial"] for disk in parameters["disks"]]
    return Spec(
        host=parameters["host"],
        name=array["name"],
        members=tuple(array["members"]),
        spares=tuple(array["spares"]),
        disks={
            disk["serial"]: Promise(
                serial=disk["serial"], size_gb=disk["size_gb"], model=disk.get("model") or ""
            )
            for disk in parameters["disks"]
        },
        twice=tuple(sorted({each for each in serials if serials.count(each) > 1})),
        mount=array["mount"],
        chunk_kib=array["chunk_kib"],
        bitmap=array["bitmap"],
        sector_bytes=array["sector_bytes"],
        workqueues=array["workqueues"],
        unlock=array["unlock"],
        pcrs=tuple(array["pcrs"]),
        mount_options=tuple(array["mount_options"]),
        argon2_memory_kib=array["argon2_memory_kib"],
        tang=tuple(Tang(**each) for each in parameters.get("tang") or ()),
        rehearsal=parameters.get("rehearsal") or False,
    )


ARRAY_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str", "required": True},
    "spares": {"type": "list", "elements": "str", "default": []},
    "mount": {"type": "path", "required": True},
    "chunk_kib": {"type": "int", "default": 512},
    "bitmap": {"type": "str", "choices": ["internal", "none"], "default": "internal"},
    "sector_bytes": {"type": "int", "choices": [512, 4096], "default": 4096},
    "workqueues": {"type": "str", "choices": ["bypass", "kernel"], "default": "bypass"},
    "unlock": {"type": "str", "choices": ["tpm2", "tang", "key_file"], "default": "tpm2"},
    "pcrs": {"type": "list", "elements": "int", "default": [7]},
    "mount_options": {"type": "list", "elements": "str", "default": ["noatime"]},
    "scrub": {"type": "str", "default": "Sun *-*-* 02:30:00"},
    "argon2_memory_kib": {"type": "int", "default": 1048576},
}
"""The array in the argument spec of a module; defaults as in landfall.model.array."""

DISK_OPTIONS: dict[str, Any] = {
    "serial": {"type": "str", "required": True},
    "size_gb": {"type": "float", "required": True},
    "model": {"type": "str"},
    "numa_node": {"type": "int"},
    "pcie_width": {"type": "int"},
}

COMMON: dict[str, Any] = {
    "host": {"type": "str", "required": True},
    "array": {"type": "dict", "required": True, "options": ARRAY_OPTIONS},
    "disks": {"type": "list", "elements": "dict", "required": True, "options": DISK_OPTIONS},
}
"""What every module of the family is given."""
