"""From logits to one token: greedy, or nucleus sampling with a generator of the request's own.

A request's draws do not depend on its neighbours: same prompt, same seed, same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

GREEDY = 0.0
"""The temperature that always takes the likeliest token."""
COLDEST = 1e-4
"""Below this the likeliest token is taken too: divided by less, logits leave float64."""


@dataclass(slots=True, kw_only=True)
class Sampler:
    """How one request chooses its tokens.

    Attributes:
        temperature: 0 is greedy; 1 is the model's own distribution.
        top_p: the share of probability that the candidates must reach together, likeliest first.
        seed: for draws that can be repeated; None draws anew each time.
    """

    temperature: float = GREEDY
    top_p: float = 1.0
    seed: int | None = None
    _random: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)

    def choose(self, logits: npt.NDArray[np.float32]) -> int:
        """One token from logits [vocabulary]."""
        if self.temperature < COLDEST:
            return int(logits.argmax())
        return int(draw(logits, self.temperature, self.top_p, float(self._random.random())))


def draw(logits: npt.NDArray[np.float32], temperature: float, top_p: float, uniform: float) -> int:
    """The token at the point `uniform` (0 to 1) of the nucleus, likeliest first."""
    scaled = logits.astype(np.float64) / temperature
    order = np.argsort(-scaled, kind="stable")
    weights = np.exp(scaled[order] - scaled[order[0]])
    total = np.cumsum(weights)
    # Candidates up to and including the first that reaches top_p: at least one.
    last = int(np.searchsorted(total, top_p * total[-1]))
    last = min(last, len(total) - 1)
    chosen = int(np.searchsorted(total[: last + 1], uniform * total[last], side="right"))
    return int(order[min(chosen, last)])  # rounding may carry the product past the end
