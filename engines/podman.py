"""Programs in containers: by digest, read-only, without a network, with nothing of the host's.

How podman is asked is decided by `landfall.model.container`, as for the containers of a host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.layout import Mount
from landfall import process
from landfall.errors import CommandFailed
from landfall.model.contained import ULIMITS
from landfall.model.container import PREFIX, arguments, reference
from landfall.process import Completed, Daemon

HINT = "The role runtime installs podman: landfall site ENV --tags runtime"

QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
"""Tools neither report nor look anything up. There is no network either; so they fail at once."""

SHARED_MEMORY = "16g"
"""For processes of several GPUs, which talk through it. NVIDIA's own commands share the host's;
this is a limit, and takes nothing until it is used."""

START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that is to be run.

    Attributes:
        name: one at a time runs under it; whatever a killed build left there is replaced.
        image: PATH@sha256:DIGEST, below the registry.
        devices: GPUs, by their CDI names.
        environment: besides QUIET.
    """

    name: str
    image: str
    registry: str
    mounts: tuple[Mount, ...] = ()
    devices: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def words(self) -> dict[str, Any]:
        """As roles write containers."""
        path, _, digest = self.image.partition("@")
        return {
            "name": self.name,
            "image": path,
            "digest": digest,
            "cgroups": "enabled",  # no unit of its own, whose cgroup it could live in
            "shared_memory": SHARED_MEMORY,
            "ulimits": ULIMITS,
            "devices": list(self.devices),
            "environment": {**QUIET, **self.environment},
            "mounts": [
                {"source": str(each.source), "target": each.target, "writable": each.writable}
                for each in self.mounts
            ],
        }


def command(container: Container, argv: Sequence[str]) -> list[str | Path]:
    """How podman is asked to run `argv` in a container.

    Raises:
        MissingTool: there is no podman.
    """
    program, *words = argv
    # An image may have an entry point of its own, which would take the program for an argument.
    given = {**container.words, "entrypoint": program, "command": words}
    return [_podman(), *arguments(given, container.registry)[1:]]


def present(image: str, registry: str) -> bool:
    """Whether an image is on this host, by its digest."""
    path, _, digest = image.partition("@")
    name = reference({"image": path, "digest": digest}, registry)
    return process.run([_podman(), "image", "exists", name], check=False).returncode == 0


def run(container: Container, argv: Sequence[str], on_line: Callable[[str], None]) -> Completed:
    """Run a program to its end; each line of its output is handed over as it comes."""
    try:
        return process.stream(command(container, argv), on_line=on_line, check=False)
    finally:
        remove(container.name)


@contextmanager
def running(
    container: Container, argv: Sequence[str], *, record: Path, log: Path
) -> Iterator[Daemon]:
    """Have a program running while the block runs; what it says goes to the file `log`."""
    daemon = process.spawn(command(container, argv), name=container.name, record=record, log=log)
    try:
        yield daemon
    finally:
        remove(container.name)
        daemon.stop()
        record.unlink(missing_ok=True)


def pid(container: Container, daemon: Daemon) -> int:
    """The process of a container that was just started, as the host numbers it.

    Raises:
        CommandFailed: it ended before it began.
    """
    words: tuple[str | Path, ...] = (_podman(), "inspect", "--type=container")
    words += ("--format={{.State.Pid}}", PREFIX + container.name)
    found = 0

    def begun() -> bool:
        nonlocal found
        told = process.run(words, check=False).stdout.strip()
        found = int(told) if told.isdigit() else 0
        return found > 0 or not daemon.alive()

    process.wait_until(begun, timeout_s=START_S, interval_s=0.5)
    if not found:
        raise CommandFailed(f"the container of {container.image} did not start\n{daemon.tail()}")
    return found


def remove(name: str) -> None:
    """End a container and forget it; nothing where there is none."""
    process.run([_podman(), "rm", "--force", "--ignore", PREFIX + name], check=False)


def _podman() -> Path:
    return process.which("podman", hint=HINT)
