"""What a training process says on stdout while it works: one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What has happened."""

    STARTED = "started"
    TORN = "torn"
    STEP = "step"
    CHECKPOINT = "checkpoint"
    INTERRUPTED = "interrupted"
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened in training.

    Attributes:
        kind: what.
        step: steps done so far, those before a resume included.
        steps: steps in all.
        pid: the training process.
        loss: in nats, of the last step; None where there was none yet.
        tokens_per_s: since the last such event; None where nothing was read.
        detail: what a person may want to know: a checkpoint's place, the exported folder.
    """

    kind: Kind
    step: int
    steps: int
    pid: int
    loss: float | None = None
    tokens_per_s: float | None = None
    detail: str = ""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        """One line for people."""
        said = f"step {self.step}/{self.steps} {self.kind}"
        if self.loss is not None:
            said += f", loss {self.loss:.3f}"
        if self.tokens_per_s is not None:
            said += f", {self.tokens_per_s:.0f} tokens/s"
        return f"{said}  {self.detail}".rstrip()


def parse(line: str) -> Event | None:
    """The event that a line of output holds, or None where it is something else."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
        return Event(**{**found, "kind": Kind(found["kind"])})
    except (ValueError, KeyError, TypeError):
        return None
