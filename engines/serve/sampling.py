"""From logits to tokens: greedy, or drawn with a generator of the request's own.

All rows of a step are chosen together, but no row's choice depends on its neighbours: same prompt,
same settings, same seed, same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engines.backends import Logits

GREEDY = 0.0
"""The temperature that always takes the likeliest token."""
COLDEST = 1e-4
"""Below this the likeliest token is taken too: divided by less, logits leave float64."""

Floats = npt.NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Sampler:
    """How one request chooses its tokens.

    Attributes:
        temperature: 0 is greedy; 1 is the model's own distribution.
        top_p: the share of probability that the candidates must reach together, likeliest first.
        top_k: how many candidates there are at most; 0 for all.
        seed: for draws that can be repeated; None draws anew each time.
    """

    temperature: float = GREEDY
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    _random: np.random.Generator | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.temperature >= COLDEST:
            self._random = np.random.default_rng(self.seed)

    def uniform(self) -> float | None:
        """The next draw, from 0 to 1; None where the likeliest is taken."""
        return None if self._random is None else self._random.random()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Log probabilities (nats) by the model itself, before temperature, top_p and top_k.

    Attributes:
        chosen: of the token that was taken.
        top: the likeliest tokens with theirs, likeliest first.
    """

    chosen: float
    top: tuple[tuple[int, float], ...]


def finite(logits: Logits) -> npt.NDArray[np.bool_]:
    """Which rows can be chosen from: nothing is NaN or infinite, save what is forbidden (-inf)."""
    found: npt.NDArray[np.bool_] = np.isfinite(logits.max(-1))
    return found


def choose(logits: Logits, samplers: Sequence[Sampler]) -> list[int]:
    """One token for each row of logits [rows, vocabulary]; all rows must be `finite`."""
    tokens = logits.argmax(-1)
    uniforms = [sampler.uniform() for sampler in samplers]
    rows = [row for row, uniform in enumerate(uniforms) if uniform is not None]
    if rows:
        drawing = [samplers[row] for row in rows]
        tokens[rows] = draw(
            logits[rows],
            temperature=np.array([each.temperature for each in drawing]),
            top_p=np.array([each.top_p for each in drawing]),
            top_k=np.array([each.top_k for each in drawing]),
            uniform=np.array([uniforms[row] for row in rows], np.float64),
        )
    found: list[int] = tokens.tolist()
    return found


def draw(
    logits: Logits,
    *,
    temperature: Floats,
    top_p: Floats,
    top_k: npt.NDArray[np.int64],
    uniform: Floats,
) -> npt.NDArray[np.int64]:
    """For each row the token at the point `uniform` (0 to 1) of its candidates, likeliest first."""
    scaled = logits.astype(np.float64) / temperature[:, None]
    order = np.argsort(-scaled, axis=-1, kind="stable")
    ranked = np.take_along_axis(scaled, order, -1)
    weights = np.exp(ranked - ranked[:, :1])
    bound = np.where(top_k > 0, top_k, weights.shape[1])
    weights[np.arange(weights.shape[1]) >= bound[:, None]] = 0.0
    total = np.cumsum(weights, axis=-1)
    # Candidates up to and including the first that reaches top_p: at least one.
    last = (total < (top_p * total[:, -1])[:, None]).sum(-1)
    rows = np.arange(len(order))
    chosen = (total <= (uniform * total[rows, last])[:, None]).sum(-1)
    found: npt.NDArray[np.int64] = order[rows, np.minimum(chosen, last)]  # rounding may go past it
    return found


def chances(logits: Logits, token: int, top: int) -> Chances:
    """The chances of `token` and of the `top` likeliest, from one row's logits [vocabulary]."""
    precise = logits.astype(np.float64)
    precise -= precise.max()
    precise -= np.log(np.exp(precise).sum())
    best = np.argsort(-precise, kind="stable")[:top]
    return Chances(
        chosen=float(precise[token]), top=tuple((int(each), float(precise[each])) for each in best)
    )
