"""Quality of an encoder: the same vectors as the float32 model, and the same neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.bounds import EmbeddingGate
from engines.encoder import Encoder, Vectors, unit
from engines.manifest import Outcome
from engines.quality import Likeness
from landfall.errors import GateFailed, InvalidInput, Problem

TIE = 1e-4
"""Cosines that differ by less are the same to a search: which of two is nearer is then chance."""


def judge(gate: EmbeddingGate, data: str, *, reference: Vectors, engine: Vectors) -> Likeness:
    """Compare vectors with those of the float32 model, row by row.

    Raises:
        GateFailed: with what was missed; also where a number is not finite.
        InvalidInput: the float32 model itself cannot tell these texts apart.
    """
    if reference.shape != engine.shape:
        message = f"vectors {list(engine.shape)} against {list(reference.shape)} of the model"
        raise GateFailed(f"quality: {message}", hint=HINT)
    if not np.isfinite(engine).all():
        raise GateFailed("quality: the engine's vectors are not finite", hint=HINT)
    _check(reference, data)
    wanted, found = unit(reference), unit(engine)
    cosines = (wanted * found).sum(-1)
    kept = neighbours(wanted, found)
    likeness = Likeness(
        data=data,
        texts=len(wanted),
        cosine=round(float(cosines.min()), 6),
        mean_cosine=round(float(cosines.mean()), 6),
        neighbours=round(kept, 6),
        min_cosine=gate.min_cosine,
        min_neighbours=gate.min_neighbours,
    )
    missed = []
    if not likeness.cosine >= gate.min_cosine:
        worst = int(cosines.argmin())
        missed.append(f"cosine {likeness.cosine:.4f} for text {worst}, bound {gate.min_cosine:g}")
    if not likeness.neighbours >= gate.min_neighbours:
        missed.append(f"{kept:.1%} keep their nearest neighbour, bound {gate.min_neighbours:.1%}")
    if missed:
        raise GateFailed(f"quality against the float32 model: {'; '.join(missed)}", hint=HINT)
    return likeness


HINT = "Choose a wider precision, or change gates.embedding if the loss is fine."


def neighbours(reference: Vectors, engine: Vectors) -> float:
    """Share of rows whose nearest other row is the same by both; rows of length 1."""
    before, after = reference @ reference.T, engine @ engine.T
    for each in (before, after):
        np.fill_diagonal(each, -np.inf)
    rows = np.arange(len(before))
    nearest = after.argmax(-1)
    return float((before[rows, nearest] >= before.max(-1) - TIE).mean())


def determinism(encoder: Encoder, texts: Sequence[Sequence[int]], gate: EmbeddingGate) -> Outcome:
    """The same texts twice, to the bit; and each alone, whoever it was asked with.

    Raises:
        GateFailed: a vector differs from itself.
    """
    once, again = encoder.vectors(texts), encoder.vectors(texts)
    if not np.array_equal(once, again):
        row = int((once != again).any(-1).argmax())
        raise GateFailed(f"determinism: text {row} was embedded twice, and the vectors differ")
    alone = np.concatenate([encoder.vectors([each]) for each in texts])
    cosine = float((unit(once) * unit(alone)).sum(-1).min())
    if not cosine >= gate.min_cosine:
        raise GateFailed(
            f"determinism: a text alone has another vector than among others (cosine {cosine:.4f})",
            hint="The graph mixes the texts of a request: export it with its attention_mask.",
        )
    figures = {"texts": float(len(texts)), "alone_min_cosine": round(cosine, 6)}
    return Outcome(name="determinism", outcome="passed", figures=figures)


def _check(reference: Vectors, data: str) -> None:
    """A model to which all texts are alike loses nothing by any damage."""
    message = ""
    if not np.isfinite(reference).all():
        message = "the float32 model's own vectors of these texts are not finite"
    elif float((unit(reference) @ unit(reference).T).min()) > 1 - TIE:
        message = "the float32 model's vectors of these texts are all alike: nothing is measured"
    if message:
        raise InvalidInput(data, [Problem(path="", message=message)])
