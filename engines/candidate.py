"""What speaks against an engine that is to answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from landfall.model.classification import Classification

SHORT = 12
"""Digits of a key that a reader gets to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of an engine that is to answer.

    Attributes:
        key: its key.
        name: the served name that it was built for; "" where its manifest cannot be read.
        classification: the highest class that it may answer; None as above.
        unverified: why its bytes or its signature do not hold, or nothing.
        unmet: every gate that is not passed, with the reason.
        builder: the identity that built it; "" where it is not recorded.
        signer: who approved that it was signed; "" as above.
    """

    key: str
    name: str = ""
    classification: Classification | None = None
    unverified: str = ""
    unmet: tuple[str, ...] = ()
    builder: str = ""
    signer: str = ""


def objections(
    candidate: Candidate, *, name: str, needed: Classification | None, again: bool = False
) -> Iterator[str]:
    """Everything that speaks against an engine that is to answer for `name`.

    Args:
        candidate: what is known of it.
        name: the served name.
        needed: the class that the name's spec states; None where no spec does.
        again: it answered before, so its gates and its class were judged then.
    """
    short = candidate.key[:SHORT]
    if candidate.unverified:
        yield f"{short} cannot be released: {candidate.unverified}"
        return
    if candidate.name != name:
        yield f"{short} was built for {candidate.name}, not for {name}"
    if again:
        return
    for gate in candidate.unmet:
        yield f"{short} has a gate that is not passed: {gate}"
    if needed and candidate.classification and not candidate.classification.covers(needed):
        yield (
            f"{short} may answer up to {candidate.classification}; {name} is classified {needed}. "
            f"Build it with `classification: {needed}` in its spec"
        )
