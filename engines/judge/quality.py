"""How close an answer is to what was expected: chrF, the F-score of character n-grams."""

from __future__ import annotations

from collections import Counter

LONGEST = 6
"""Popović, chrF: character n-gram F-score for automatic MT evaluation, 2015: n from 1 to 6."""
BETA = 2.0
"""Ibid., chrF2: what is missing counts more than what is added."""


def chrf(answer: str, expected: str) -> float:
    """From 0 (nothing in common) to 1 (the same). White space does not count."""
    mine, wanted = "".join(answer.split()), "".join(expected.split())
    lengths = range(1, min(LONGEST, len(wanted)) + 1)
    scores = [_score(_grams(mine, n), _grams(wanted, n)) for n in lengths]
    if not scores:
        return float(not mine)
    return sum(scores) / len(scores)


def _grams(text: str, length: int) -> Counter[str]:
    return Counter(text[at : at + length] for at in range(len(text) - length + 1))


def _score(mine: Counter[str], wanted: Counter[str]) -> float:
    common = (mine & wanted).total()
    if not common:
        return 0.0
    precision, recall = common / mine.total(), common / wanted.total()
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
