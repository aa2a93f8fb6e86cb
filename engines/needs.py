"""What a build itself takes: memory of host and GPU, disk, time. Lower bounds, each with its why.

Every step is a process of its own, so what one takes is free again for the next (TensorRT-LLM's
builder keeps memory until its process ends: triton_cli, change 91). None is "nobody has measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engines.backends import Step
from engines.fit import Ask
from engines.fit.memory import weight_bytes
from engines.precision import SIXTEEN_BIT

CONVERT, BUILD = "convert_checkpoint.py", "trtllm-build"
QUANTISE = ("quantize.py", "huggingface_example.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a build takes. `size` in bytes is the least, or None where it is unknown."""

    name: str
    size: int | None
    why: str


def needs(
    ask: Ask, steps: Sequence[Step], model_bytes: int, beside_bytes: int = 0
) -> tuple[Need, ...]:
    """What carrying out `steps` takes.

    `model_bytes`: of the model's files; 0 where unknown. `beside_bytes`: of a draft model and of
    adapters.
    """
    tools = [step.action for step in steps]
    return tuple(_needs(ask, tools, (model_bytes or _sixteen_bit(ask)) + beside_bytes))


def _needs(ask: Ask, tools: Sequence[str], model_bytes: int) -> Iterator[Need]:
    made = weight_bytes(ask)
    whole = _sixteen_bit(ask)
    if not tools:
        yield Need(name="disk", size=model_bytes, why="the model's files; nothing is built")
        return
    memory = {
        CONVERT: (
            whole * ask.gpus,
            f"{ask.gpus} times the model at 16 bit: each worker loads it whole",
        ),
        BUILD: (made, "the checkpoint"),
        **dict.fromkeys(QUANTISE, (whole, "the model at 16 bit")),
    }
    tool, (size, why) = max(((tool, memory[tool]) for tool in tools), key=lambda each: each[1][0])
    yield Need(name="memory of the host", size=size, why=f"{tool}: {why}, at least")
    yield _gpu(ask, tools, whole, made)
    copies = 1 + (BUILD in tools)
    yield Need(
        name="disk",
        size=model_bytes + copies * made,
        why="the model, the checkpoint and the engine" if copies > 1 else "model and checkpoint",
    )
    yield Need(name="time", size=None, why="nobody has measured it")


def _gpu(ask: Ask, tools: Sequence[str], whole: int, made: int) -> Need:
    """Of one GPU. What the search for the fastest kernels takes besides was not established."""
    if any(tool in QUANTISE for tool in tools):
        size, why = whole // ask.gpus, "the model at 16 bit and what calibration takes, at least"
    elif BUILD in tools:
        size, why = made // ask.gpus, "the weights and what timing the kernels takes, at least"
    else:
        size, why = 0, "converted by the processor"
    return Need(name="memory of one GPU", size=size, why=why)


def _sixteen_bit(ask: Ask) -> int:
    return ask.shape.parameters * SIXTEEN_BIT
