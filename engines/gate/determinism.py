"""Determinism: the same prompt, read twice and answered greedily, gets the same tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.backends import Ids, Runtime
from engines.manifest import Outcome
from landfall.errors import GateFailed

PROMPTS = 3
"""Rows of the held-out text that are tried."""
TOKENS = 24
"""Of one answer: one token that differs makes all after it differ, too."""


def measure(runtime: Runtime, rows: Sequence[Ids]) -> Outcome:
    """Answer some rows twice.

    Raises:
        GateFailed: an answer differs from itself; names the first token that does.
    """
    tokens = min(TOKENS, runtime.room - 2)
    for number, row in enumerate(rows[:PROMPTS]):
        prompt = row[: runtime.room - tokens - 1]
        once, again = (greedy(runtime, prompt, tokens) for _ in range(2))
        if once != again:
            at = next(i for i, pair in enumerate(zip(once, again, strict=True)) if len({*pair}) > 1)
            raise GateFailed(
                f"determinism: row {number} of the held-out text was answered twice, and token"
                f" {at} was {once[at]}, then {again[at]}",
                hint="Nothing that is measured on such an engine holds for the next request.",
            )
    tried = min(len(rows), PROMPTS)
    figures = {"prompts": float(tried), "tokens": float(tokens)}
    return Outcome(name="determinism", outcome="passed", figures=figures)


def greedy(runtime: Runtime, prompt: Ids, tokens: int) -> list[int]:
    """The most likely `tokens` after `prompt`, from an empty row."""
    ids = np.array([runtime.prefill(0, prompt, 0)[-1].argmax()], np.int64)
    lengths = np.array([len(prompt)], np.int32)
    found = [int(ids[0])]
    while len(found) < tokens:
        ids[0] = runtime.decode(ids, lengths)[0].argmax()
        lengths += 1
        found.append(int(ids[0]))
    return found
