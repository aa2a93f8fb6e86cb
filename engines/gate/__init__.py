"""Gates: what a build must reach. Quality is perplexity on held-out text, against the float model.

Perplexity is e to the mean negative log likelihood per token, in nats, each line of the text read
from position 0 with an empty cache.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from engines import tokenizer
from engines.backends import Ids, Runtime
from engines.manifest import Outcome, Predicate, Speed
from engines.quality import Gate, Quality
from engines.source import EVALUATION
from engines.spec import QualityGate
from landfall.errors import GateFailed, InvalidInput, Problem

MAX_TOKENS = 16_384
"""Enough for a ratio that is stable to a tenth of a percent, little enough for seconds."""

SPEED_TOKENS = 64
"""Length of the answer that the speed is measured on."""
SPEED_ROUNDS = 3
"""The best of these counts: others who use the machine only make it slower."""

Progress = Callable[[str], None]


def held_out(folder: Path, *, room: int, read_by: Path | None = None) -> list[Ids]:
    """The rows of the evaluation text of the model in `folder`, at most `room` tokens each.

    Args:
        folder: the model.
        room: tokens of the longest row.
        read_by: the engine whose own tokenizer reads the text; None for the model's.

    Raises:
        InvalidInput: there is no line of two tokens or more.
    """
    path = folder / EVALUATION
    words = tokenizer.load(read_by or folder)
    rows: list[Ids] = []
    left = MAX_TOKENS
    for line in path.read_text(encoding="utf-8").splitlines():
        ids = words.encode_marked(line)[: min(room, left)]
        if len(ids) > 1:
            rows.append(np.array(ids, np.int64))
            left -= len(ids)
    if not rows:
        message = "holds no text to measure the model on"
        raise InvalidInput(str(path), [Problem(path="", message=message)])
    return rows


def perplexity(runtime: Runtime, rows: Sequence[Ids]) -> float:
    """The perplexity of a loaded model on `rows`."""
    total, count = 0.0, 0
    for ids in rows:
        logits = runtime.prefill(0, ids[:-1], 0).astype(np.float64)
        highest = logits.max(-1, keepdims=True)
        norm = np.log(np.exp(logits - highest).sum(-1)) + highest[:, 0]
        total += float((norm - logits[np.arange(len(ids) - 1), ids[1:]]).sum())
        count += len(ids) - 1
    return math.exp(min(total / count, 700.0)) if math.isfinite(total) else math.inf


def check_reading(reference: Sequence[Ids], engine: Sequence[Ids]) -> None:
    """See that an engine reads text as the model does that it was built from.

    Raises:
        GateFailed: its tokenizer makes other tokens of the same text.
    """
    same = len(reference) == len(engine) and all(map(np.array_equal, reference, engine))
    if not same:
        raise GateFailed(
            "the engine's tokenizer makes other tokens of the held-out text than the model's",
            hint="It was built with another model's tokenizer. Build it again.",
        )


def judge(gate: QualityGate, *, reference: float, engine: float) -> Gate:
    """Compare two perplexities with the bound.

    Raises:
        GateFailed: with both numbers; also where either is not a finite number.
    """
    ratio = engine / reference
    if not (math.isfinite(ratio) and ratio <= gate.max_ratio):
        raise GateFailed(
            f"perplexity {engine:.4f} against {reference:.4f} of the float32 model:"
            f" {ratio:.4f} times, the bound is {gate.max_ratio}",
            hint="Choose a wider precision, or change gates.quality.max_ratio if the loss is fine.",
        )
    return Gate(
        metric=gate.metric,
        reference=reference,
        engine=engine,
        ratio=ratio,
        max_ratio=gate.max_ratio,
    )


def outcome(quality: Quality, detail: str = "") -> Outcome:
    """A passed gate of quality, as the manifest has it."""
    return Outcome(name="quality", outcome="passed", detail=detail, figures=quality.figures)


def unmet(about: Predicate) -> tuple[str, ...]:
    """Every gate of an engine that is not passed, in words. One that did not run is not passed."""
    if not about.outcomes:
        return ("quality: not run",)
    return tuple(
        f"{each.name}: {each.outcome}{f', {each.detail}' if each.detail else ''}"
        for each in about.unmet
    )


def speed(runtime: Runtime, prompt: Ids) -> Speed:
    """Tokens per second of one greedy stream after `prompt`."""
    tokens = min(SPEED_TOKENS, runtime.room - 2)
    prompt = prompt[: runtime.room - tokens - 1]
    best = math.inf
    for _ in range(SPEED_ROUNDS):
        ids = np.array([runtime.prefill(0, prompt, 0)[-1].argmax()], np.int64)
        lengths = np.array([len(prompt)], np.int32)
        start = time.perf_counter()
        for _ in range(tokens):
            ids[0] = runtime.decode(ids, lengths)[0].argmax()
            lengths += 1
        best = min(best, time.perf_counter() - start)
    return Speed(tokens_per_second=round(tokens / best, 1), tokens=tokens)
