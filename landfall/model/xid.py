"""What an Xid error of NVIDIA's driver in the kernel log says about a machine.

Classes and codes: NVIDIA's Xid catalog (its "immediate action"), read through the list of the EKS
node monitoring agent (aws/eks-node-monitoring-agent, monitors/nvidia/dcgm/dcgm_policies.go, read
2026-11-21), which names the codes after which a machine must not be used again as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What brings a GPU back, the mildest first.

    On a rented machine all but `monitor` mean another machine: nobody is there to reset one, and
    a job that waits for a repair costs as much as one that computes.
    """

    MONITOR = "monitor"
    RESET = "reset"
    REBOOT = "reboot"
    ISOLATE = "isolate"


MEANINGS: Mapping[int, tuple[Action, str]] = {
    13: (Action.MONITOR, "graphics engine exception, mostly the program's"),
    31: (Action.MONITOR, "memory page fault, mostly the program's"),
    43: (Action.MONITOR, "a channel was reset, mostly after the program's error"),
    45: (Action.MONITOR, "clean-up after an earlier error or a kill"),
    46: (Action.RESET, "the GPU stopped processing"),
    48: (Action.RESET, "double bit ECC error"),
    54: (Action.ISOLATE, "auxiliary power is not connected"),
    62: (Action.RESET, "the internal controller halted"),
    # NVIDIA would go on; EC2 replaces, since remapped rows are the beginning of code 64.
    63: (Action.ISOLATE, "memory rows were remapped"),
    64: (Action.RESET, "memory rows could not be remapped"),
    74: (Action.RESET, "NVLink error"),
    79: (Action.REBOOT, "the GPU has fallen off the bus"),
    94: (Action.MONITOR, "contained memory error; the program is lost, the GPU is not"),
    95: (Action.RESET, "uncontained memory error"),
    109: (Action.RESET, "context switch timed out"),
    110: (Action.RESET, "security fault"),
    119: (Action.RESET, "the GPU's system processor does not answer"),
    120: (Action.RESET, "error of the GPU's system processor"),
    136: (Action.RESET, "a link could not be trained"),
    140: (Action.RESET, "unrecovered ECC error"),
    142: (Action.ISOLATE, "video encoder failure"),
    143: (Action.RESET, "the GPU could not be initialised"),
    151: (Action.REBOOT, "key rotation of confidential computing failed"),
    155: (Action.RESET, "NVLink error found by software"),
    156: (Action.RESET, "a resource was retired"),
    158: (Action.RESET, "fatal timeout"),
}
"""What is known of each code. A code that is not here is watched."""

LINE = re.compile(r"NVRM: Xid \((?:PCI:)?(?P<device>[0-9a-fA-F:.]+)\): (?P<code>\d+)(?!\d)")
"""The driver's line in the kernel log (NVIDIA, "Xid Errors", "Viewing Xid Error Messages")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid:
    """One error: its code, and the PCI address of the GPU as the kernel wrote it."""

    code: int
    device: str

    @property
    def action(self) -> Action:
        """What brings the GPU back."""
        return action(self.code)


def action(code: int) -> Action:
    """What a code asks for; unknown codes are watched."""
    return MEANINGS[code][0] if code in MEANINGS else Action.MONITOR


def fatal() -> tuple[int, ...]:
    """The codes after which a rented machine is replaced, sorted."""
    return tuple(code for code, (what, _) in MEANINGS.items() if what is not Action.MONITOR)


def parse(line: str) -> Xid | None:
    """The error that a line of the kernel log tells of, or None."""
    found = LINE.search(line)
    return Xid(code=int(found["code"]), device=found["device"]) if found else None


def worst(lines: Iterable[str]) -> Xid | None:
    """The error that asks for most, of a whole log; the first of equals; None if there is none."""
    order = list(Action)
    found = [error for line in lines if (error := parse(line))]
    return max(found, key=lambda error: order.index(error.action), default=None)
