"""What a host is, as far as engines depend on it: read here, carried to the planner as JSON."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from pathlib import Path

from engines import backends, nvidia
from engines.nvidia import Ask, Device
from landfall.model.parsing import Written

CPU_INFO = Path("/proc/cpuinfo")
MEMORY = Path("/proc/meminfo")
NVIDIA = Path("/proc/driver/nvidia/gpus")
"""Where the NVIDIA driver lists its GPUs, without any tool of NVIDIA's."""

ISA_FLAGS = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512-vnni",
    "avx_vnni": "avx-vnni",
    "avx512_bf16": "avx512-bf16",
    "amx_int8": "amx-int8",
    "asimd": "neon",
    "asimddp": "neon-dotprod",
    "i8mm": "i8mm",
}
"""Instructions that ONNX Runtime's kernels choose by: the kernel's word for each, and ours."""


class Facts(Written):
    """What plans and keys need to know of a host. No uptime, no free memory: it stays the same.

    Attributes:
        machine: the architecture, e.g. x86_64.
        cpu: the processor's name.
        isa: the instructions that matter for speed, in our words.
        gpus: names of the GPUs, as the driver gives them.
        python: version of the interpreter that would serve.
        packages: installed version of each backend's package; absent where it is not there.
        devices: the GPUs again, with what their driver tells; empty where it was not asked.
        driver: version of the NVIDIA driver.
        cuda: the latest version of CUDA that the driver serves.
        container: what runs containers, with its version, such as `podman 4.3.1`.
        memory_gib: of the host, rounded down; 0 where it is not known.
    """

    machine: str
    cpu: str
    isa: tuple[str, ...]
    gpus: tuple[str, ...] = ()
    python: str
    packages: dict[str, str]
    devices: tuple[Device, ...] = ()
    driver: str = ""
    cuda: str = ""
    container: str = ""
    memory_gib: int = 0

    @property
    def isa_class(self) -> str:
        """The processor's class as one word; engines are measured and keyed per class."""
        return "+".join([self.machine, *self.isa])


def read(
    cpu_info: Path = CPU_INFO,
    gpu_folder: Path = NVIDIA,
    memory: Path = MEMORY,
    ask: Ask = nvidia.ask,
) -> Facts:
    """The facts of this host. NVIDIA's tools are asked only where there is a GPU."""
    name, flags = _processor(_text(cpu_info))
    gpus = _gpus(gpu_folder)
    driver, cuda, devices = nvidia.read(ask) if gpus else ("", "", ())
    total = re.search(r"^MemTotal:\s+(\d+) kB$", _text(memory), re.MULTILINE)
    return Facts(
        machine=platform.machine(),
        cpu=name or platform.processor() or "unknown",
        isa=tuple(sorted(ours for theirs, ours in ISA_FLAGS.items() if theirs in flags)),
        gpus=gpus,
        python=platform.python_version(),
        packages=_packages(),
        devices=devices,
        driver=driver,
        cuda=cuda,
        container=nvidia.container(ask) if gpus else "",
        memory_gib=int(total[1]) // 2**20 if total else 0,
    )


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _processor(text: str) -> tuple[str, set[str]]:
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return (name[1].strip() if name else ""), set(flags[1].split() if flags else ())


def _gpus(folder: Path) -> tuple[str, ...]:
    texts = (path.read_text(errors="replace") for path in sorted(folder.glob("*/information")))
    models = (re.search(r"^Model:\s*(.+)$", text, re.MULTILINE) for text in texts)
    return tuple(model[1].strip() for model in models if model)


def _packages() -> dict[str, str]:
    found = {}
    for package in sorted({backends.find(name).PACKAGE for name in backends.names()}):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
