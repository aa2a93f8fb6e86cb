"""How fast a model will be: a roofline, calibrated for each GPU on what NVIDIA published.

    prompt  = (2 * parameters * n + 2 * layers * width * n^2) / operations
    step    = weights / bandwidth + batch * (cache / bandwidth + 2 * parameters / operations)
              + a constant of the GPU
    link    = a constant of the GPU * (n + answer) * 2 * 2 * layers * hidden * bytes, from 2 GPUs on
    answer  = prompt + answers * step / batch + link, for one sequence of a full batch

Operations and bandwidth are the maker's numbers times the share of them that was reached. A GPU
without published numbers gets the middle of the others and is called uncalibrated.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from statistics import median

from engines import catalog
from engines.catalog import GB
from engines.fit import Ask
from engines.fit.memory import sequence_size, shape_of
from engines.precision import CACHE, SIXTEEN_BIT, WEIGHTS

CATALOG = Path(catalog.__file__).parent
TERA = 10**12

MOST_AT_ONCE = 2048
"""Sequences in a batch: the default of TensorRT-LLM's max_batch_size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What of the maker's numbers is reached, and constants. Seconds.

    Attributes:
        operations: share of the operations a second.
        bandwidth: share of the bandwidth.
        step: seconds that each step of a batch takes besides.
        link: seconds for each 10^12 bytes that GPUs tell one another.
    """

    operations: float
    bandwidth: float
    step: float
    link: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Tokens a second of all GPUs together at full load, and of one sequence.

    Attributes:
        tokens_per_s: generated, by the whole batch.
        batch: sequences at a time.
        first_token_s: reading one prompt when nothing else is to do.
        per_token_s: between two tokens of one sequence in the full batch.
        low: and `high` bound tokens_per_s by the largest error of the calibration.
        calibrated: whether numbers of this GPU were published.
    """

    tokens_per_s: float
    batch: int
    first_token_s: float
    per_token_s: float
    low: float
    high: float
    calibrated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A published number."""

    gpu: str
    model: str
    tp: int
    prompt: int
    answer: int
    tokens_per_s: float

    @property
    def ask(self) -> Ask:
        """As a question."""
        gpu = catalog.gpus()[self.gpu]
        precision = "fp8" if gpu.fp8 else "bf16"
        return Ask(
            model=self.model,
            shape=shape_of(self.model),
            gpu=gpu,
            batch=MOST_AT_ONCE,
            sequence=self.prompt + self.answer,
            mode="engine",
            weights=precision,
            cache=precision,
            tp=self.tp,
        )


@cache
def published() -> tuple[Row, ...]:
    """Every published number."""
    written = tomllib.loads((CATALOG / "published.toml").read_text())["row"]
    return tuple(
        Row(gpu=gpu, tokens_per_s=value, **{k: v for k, v in row.items() if k != "tokens_per_s"})
        for row in written
        for gpu, value in row["tokens_per_s"].items()
    )


@cache
def calibrations() -> Mapping[str, Calibration]:
    """Of each GPU with published numbers, by name; see `engines.fit.calibrate`."""
    written = tomllib.loads((CATALOG / "calibration.toml").read_text())
    return {name: Calibration(**each) for name, each in written["gpu"].items()}


@cache
def error() -> tuple[float, float]:
    """The median and the largest error of the calibration, leaving out each number in turn."""
    written = tomllib.loads((CATALOG / "calibration.toml").read_text())["error"]
    return float(written["median"]), float(written["largest"])


def estimate(ask: Ask, *, prompt: int, answer: int, batch: int) -> Estimate:
    """How fast `ask` will answer prompts of `prompt` tokens with `answer` tokens each.

    `batch` sequences are answered at a time; no more than the cache holds.
    """
    known = calibrations()
    calibrated = ask.gpu.name in known
    used = known[ask.gpu.name] if calibrated else middle(list(known.values()))
    batch = max(1, min(batch, MOST_AT_ONCE))
    per_s = tokens_per_s(ask, used, prompt=prompt, answer=answer, batch=batch)
    # twice the error where nothing was measured: a judgement, not a measurement
    most = error()[1] * (1 if calibrated else 2)
    return Estimate(
        tokens_per_s=per_s,
        batch=batch,
        first_token_s=_prompt_s(ask, used, prompt) + used.step,
        per_token_s=batch / per_s,
        low=per_s / (1 + most),
        high=per_s * (1 + most),
        calibrated=calibrated,
    )


def middle(known: Sequence[Calibration]) -> Calibration:
    """The median of each constant."""
    names = [field.name for field in fields(Calibration)]
    return Calibration(**{name: median(getattr(each, name) for each in known) for name in names})


def tokens_per_s(ask: Ask, used: Calibration, *, prompt: int, answer: int, batch: float) -> float:
    """The roofline itself: generated tokens a second of all GPUs together."""
    shape, gpus = ask.shape, ask.gpus
    bandwidth = ask.gpu.bandwidth_gbs * GB * used.bandwidth * gpus
    length = prompt + answer / 2  # the middle of an answer
    cache_bytes = shape.kept_per_layer() * shape.layers * CACHE[ask.cache] * length
    step = _weight_bytes(ask) / bandwidth / batch + float(cache_bytes) / bandwidth
    step += 2 * _multiplied(ask) / _operations(ask, used) + used.step / batch
    link = 0.0
    if ask.tp > 1:
        told = (prompt + answer) * 2 * 2 * shape.layers * shape.hidden * SIXTEEN_BIT / 2
        link = used.link * told / TERA
    return answer / (_prompt_s(ask, used, prompt) + answer * step + link)


def _prompt_s(ask: Ask, used: Calibration, tokens: int) -> float:
    shape = ask.shape
    attention = 2 * shape.layers * shape.heads * shape.head_dim * tokens**2
    return (2 * _multiplied(ask) * tokens + attention) / _operations(ask, used)


def _operations(ask: Ask, used: Calibration) -> float:
    """A second, of all GPUs together; what a GPU does not have it does at 16 bit."""
    name = WEIGHTS[ask.weights].arithmetic
    peak = getattr(ask.gpu, name) or ask.gpu.bf16
    return float(peak) * TERA * used.operations * ask.gpus


def _multiplied(ask: Ask) -> int:
    """Parameters that every token meets: looking up the embedding multiplies nothing."""
    looked_up = 0 if ask.shape.tied else ask.shape.vocab * ask.shape.hidden
    return ask.shape.active - looked_up


def _weight_bytes(ask: Ask) -> int:
    """Read in each step of a large batch, which meets every expert."""
    recipe = WEIGHTS[ask.weights]
    return sum(
        recipe.of(group.parameters) if group.quantised else group.parameters * SIXTEEN_BIT
        for group in ask.shape.groups()
    )


def batch_of(ask: Ask, pool: int) -> int:
    """Sequences of the asked length in a pool on each GPU, as large as a backend makes it."""
    return max(1, min(MOST_AT_ONCE, max(0, pool) // sequence_size(ask, ask.sequence)))
