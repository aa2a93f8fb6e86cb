"""Engines that answer from a container: what it is asked, from what the manifest carries.

The command is the manifest's own. Only its port becomes the engine's on this host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from landfall.model.routing import SHORT

PLACES = {"/work": "", "/model": "/model", "/draft": "/draft", "/adapters": "/adapters"}
"""Where a recipe finds things in its container, and the part of the engine's folder that is seen
there: the folder itself is /work."""

DIGEST = re.compile(r"^(?P<image>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})$")

CPU_SERVER = {"unit": "landfall-engine", "health": "/health/ready"}
CONTAINED = {"unit": "landfall-engine-container"}
"""The template of each kind's unit, and where the kind tells its health."""

INSIDE = {
    # The root cannot be written: kernels that are compiled at the start go to memory.
    "HOME": "/tmp",  # noqa: S108  of the container
    "HF_HUB_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
    # No address but loopback's is allowed, and these choose another one where they find it:
    # NCCL's, Gloo's and vLLM's own documents; Open MPI's parameters. Not seen with two GPUs.
    "NCCL_SOCKET_IFNAME": "lo",
    "GLOO_SOCKET_IFNAME": "lo",
    "VLLM_HOST_IP": "127.0.0.1",
    "OMPI_MCA_btl_tcp_if_include": "lo",
    "OMPI_MCA_oob_tcp_if_include": "lo",
}

ULIMITS = {
    # NVIDIA's words for their containers: pinned memory without a limit, and 64 MiB of stack.
    "memlock": "-1:-1",
    "stack": "67108864:67108864",
    # A core file would keep prompts.
    "core": "0:0",
}

SCRATCH = "size=16g,exec"
"""The container's /tmp. Libraries that are compiled there are loaded from there: podman's own
default forbids that."""


class Command(BaseModel):
    """What serves, of an engine's manifest; the fields of engines.planned.PlannedStep."""

    model_config = ConfigDict(frozen=True)

    argv: tuple[str, ...]
    environment: Mapping[str, str] = Field(default_factory=dict)
    settings: Mapping[str, str | int | float | bool] = Field(default_factory=dict)


class Parallelism(BaseModel):
    """How a model is shared out."""

    model_config = ConfigDict(frozen=True)

    tensor: int = 1
    pipeline: int = 1


class Gpu(BaseModel):
    """A GPU of the host that built it, by its driver's name."""

    model_config = ConfigDict(frozen=True)

    name: str


class Builder(BaseModel):
    """The host that built it."""

    model_config = ConfigDict(frozen=True)

    devices: tuple[Gpu, ...] = ()


def of_manifest(
    *, container: str, target: str, parallelism: Parallelism, serve: Command | None, host: Builder
) -> dict[str, Any]:
    """What roles are told of an engine in a container, from fields of its manifest."""
    named = DIGEST.match(container)
    return {
        "image": named["image"] if named else container,
        "digest": named["digest"] if named else "",
        "model": host.devices[0].name if host.devices else target,
        "gpus": parallelism.tensor * parallelism.pipeline,
        "argv": list(serve.argv) if serve else [],
        "environment": dict(serve.environment) if serve else {},
        "api": dict(serve.settings) if serve else {},
    }


def refusals(engine: Mapping[str, Any]) -> list[str]:
    """Why a container cannot serve this engine, whatever the host has; nothing where it can."""
    told, contained = name_of(engine), engine["contained"]
    found = []
    if not contained["digest"]:
        found.append(f"{told}: {contained['image']!r} is not named by digest: PATH@sha256:DIGEST")
    if not contained["argv"]:
        found.append(f"{told}: its manifest does not say what serves it; build it again")
    elif list(contained["argv"]).count("--port") != 1:
        found.append(f"{told}: its command has no --port of its own; build it again")
    elif not contained["api"].get("health"):
        found.append(f"{told}: its manifest does not say where it tells its health; build it again")
    return found


def name_of(engine: Mapping[str, Any]) -> str:
    """How messages call an engine."""
    return f"{engine['name']} {engine['key'][:SHORT]}"


def asked(
    engine: Mapping[str, Any], gpus: Sequence[int], *, folder: str, shared_memory: str
) -> dict[str, Any]:
    """The container of an engine, as landfall.model.container.arguments takes it.

    Args:
        engine: with `contained`, as roles are told.
        gpus: of the host, that it gets.
        folder: where engines lie.
        shared_memory: size of /dev/shm, in podman's words.
    """
    contained = engine["contained"]
    words = at_port(contained["argv"], engine["port"])
    return {
        "name": engine["key"][:SHORT],
        "image": contained["image"],
        "digest": contained["digest"],
        # Its image may begin with words of its own (vLLM's does), which would come before these.
        "entrypoint": words[0],
        "command": words[1:],
        "environment": {**INSIDE, **contained["environment"]},
        "devices": [f"nvidia.com/gpu={index}" for index in gpus],
        "mounts": [
            {"source": f"{folder}/{engine['key']}{part}", "target": target}
            for target, part in PLACES.items()
            if _names(words, target)
        ],
        "network": "host",  # of which the unit leaves loopback
        "notify": "ignore",  # its supervisor tells systemd, once it has answered
        "scratch": SCRATCH,
        "shared_memory": shared_memory,
        "ulimits": ULIMITS,
    }


def at_port(argv: Sequence[str], port: int) -> list[str]:
    """A command with another port; nothing else of it changes.

    Raises:
        ValueError: it has no option --port.
    """
    place = list(argv).index("--port") + 1
    return [*argv[:place], str(port), *argv[place + 1 :]]


def _names(argv: Sequence[str], place: str) -> bool:
    return any(re.search(rf"(?<![\w/.-]){place}(?![\w.-])", word) for word in argv)
