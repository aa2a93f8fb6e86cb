"""What a training job is. It never changes once the job runs: its digest is in every checkpoint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from examples.tiny_lm.config import ModelConfig

CODE = ("config.py", "data.py", "definition.py", "graph.py", "model.py", "optimiser.py")
"""The files that decide what a step does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A training job.

    Attributes:
        model: the shape of the model.
        steps: how many steps.
        rows: conversations in a step.
        length: tokens in a row.
        long_every: every so many steps, rows are as long as the context and fewer, so that all
            positions are trained.
        seed: of the fresh weights and of the order of the data.
        matrix_rate: highest learning rate of the matrices inside the layers (Muon).
        rate: highest learning rate of everything else (AdamW).
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    steps: int = 600
    rows: int = 8
    length: int = 128
    long_every: int = 4
    seed: int = 0
    matrix_rate: float = 0.025
    rate: float = 0.005

    def digest(self, data: str) -> str:
        """SHA-256 of this definition, of the data (by its digest) and of the code."""
        code = {
            name: hashlib.sha256(Path(__file__).with_name(name).read_bytes()).hexdigest()
            for name in CODE
        }
        whole = {"definition": asdict(self), "data": data, "code": code}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()

    def shape(self, step: int) -> tuple[int, int]:
        """Rows and tokens per row of step number `step` (from 0)."""
        if step % self.long_every != self.long_every - 1:
            return self.rows, self.length
        return max(1, self.rows * self.length // self.model.context), self.model.context
