"""What speaks against an engine that is to answer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from landfall.model import release
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
        gpu: that it was built on, as nvidia-smi writes it; "" for a CPU.
    """

    key: str
    name: str = ""
    classification: Classification | None = None
    unverified: str = ""
    unmet: tuple[str, ...] = ()
    builder: str = ""
    signer: str = ""
    gpu: str = ""


def objections(
    candidate: Candidate,
    *,
    name: str,
    needed: Classification | None,
    again: bool = False,
    models: Collection[str] = (),
) -> Iterator[str]:
    """Everything that speaks against an engine that is to answer for `name`.

    Args:
        candidate: what is known of it.
        name: of the release: the served name, or NAME@GPU.
        needed: the class that the name's spec states; None where no spec does.
        again: it answered before, so its gates and its class were judged then.
        models: of the GPUs of the site's hosts, as nvidia-smi writes them.
    """
    short = candidate.key[:SHORT]
    if candidate.unverified:
        yield f"{short} cannot be released: {candidate.unverified}"
        return
    served, wanted = release.served(name), release.model_of(name)
    if candidate.name != served:
        yield f"{short} was built for {candidate.name}, not for {served}"
    if wanted and candidate.gpu != wanted:
        yield f"{short} was built on {candidate.gpu or 'a CPU'}, not on {wanted}"
    others = sorted({*models} - {candidate.gpu})
    if candidate.gpu and not wanted and others:
        lane = f"{served}@{candidate.gpu.removeprefix('NVIDIA ')}"
        yield f"{short} runs on {candidate.gpu} only, and the site has {', '.join(others)}: {lane}"
    if again:
        return
    for gate in candidate.unmet:
        yield f"{short} has a gate that is not passed: {gate}"
    if needed and candidate.classification and not candidate.classification.covers(needed):
        yield (
            f"{short} may answer up to {candidate.classification}; {name} is classified {needed}. "
            f"Build it with `classification: {needed}` in its spec"
        )
