"""When requests arrive: decided before the first one is sent."""

from __future__ import annotations

import random

from landfall.errors import InvalidInput, Problem


def poisson(*, rate: float, requests: int, seed: int) -> tuple[float, ...]:
    """Arrivals of a Poisson process, in seconds from the start; the same for the same seed.

    Args:
        rate: requests per second, on average.
        requests: how many.
        seed: of the gaps between them.

    Raises:
        InvalidInput: rate or number is not positive.
    """
    problems = [
        Problem(path=name, message=f"must be more than 0, not {value:g}")
        for name, value in (("rate", rate), ("requests", requests))
        if not value > 0
    ]
    if problems:
        raise InvalidInput("load", problems)
    chance = random.Random(seed)  # noqa: S311  it spreads load, it guards nothing
    at, found = 0.0, []
    for _ in range(requests):
        at += chance.expovariate(rate)
        found.append(at)
    return tuple(found)
