"""Fits the constants of the estimate to what was published: `python -m engines.fit.calibrate`.

Writes engines/catalog/calibration.toml; a test checks that the file is what this computes. Needs
scipy, which hosts do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from engines.fit.estimate import CATALOG, Calibration, Row, batch_of, published, tokens_per_s
from engines.fit.memory import fit

START = Calibration(operations=0.5, bandwidth=0.8, step=5e-3, link=5.0)
"""Where the search begins, and what constants are drawn to that the rows say little about:
0.8 of the bandwidth is aiconfigurator's factor, the others are of the order that GPUs show."""

BOUNDS = Calibration(operations=0.95, bandwidth=1.2, step=0.05, link=500.0)
"""The largest that make sense. More than all of the bandwidth is let through a little: a batch is
not always full, so less of the cache is read than the formula says."""

PULL = 0.05
"""How strongly constants are drawn to the start, against errors of the logarithm."""

Vector = NDArray[np.float64]


def calibrate(rows: Sequence[Row]) -> dict[str, Calibration]:
    """The constants that come nearest to `rows`, by GPU.

    What a step takes besides is the same for all: it is work of the server's own processors, and
    rows at full load alone would give each GPU another.
    """
    names = list(dict.fromkeys(row.gpu for row in rows))
    known = [(row, row.ask, names.index(row.gpu)) for row in rows]
    batches = [batch_of(ask, fit(ask).pool) for _, ask, _ in known]
    start = np.log([START.step, *(getattr(START, name) for _ in names for name in _OWN)])
    upper = np.log([BOUNDS.step, *(getattr(BOUNDS, name) for _ in names for name in _OWN)])

    def residuals(logarithms: Vector) -> Vector:
        used = _of(np.exp(logarithms))
        errors = [
            np.log(
                tokens_per_s(ask, used[at], prompt=row.prompt, answer=row.answer, batch=batch)
                / row.tokens_per_s
            )
            for (row, ask, at), batch in zip(known, batches, strict=True)
        ]
        return np.array([*errors, *((logarithms - start) * PULL)])

    found = least_squares(residuals, start, bounds=(-np.inf, upper), loss="soft_l1")
    return dict(zip(names, _of(np.exp(found.x)), strict=True))


def predicted(row: Row, used: Calibration) -> float:
    """What the estimate says for a row."""
    ask = row.ask
    batch = batch_of(ask, fit(ask).pool)
    return tokens_per_s(ask, used, prompt=row.prompt, answer=row.answer, batch=batch)


def left_out(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    """Each row with the error of an estimate that was calibrated on all the others."""
    found = []
    for row in rows:
        used = calibrate([other for other in rows if other != row])[row.gpu]
        found.append((row, predicted(row, used) / row.tokens_per_s - 1))
    return found


def written(rows: Sequence[Row]) -> str:
    """The file, from published rows."""
    errors = [abs(error) for _, error in left_out(rows)]
    lines = [
        "# Written by `python -m engines.fit.calibrate` from published.toml.",
        "# `error` is of each published number by an estimate that did not know it.",
        "",
        "[error]",
        f"median = {median(errors):.3f}",
        f"largest = {max(errors):.3f}",
    ]
    for name, used in calibrate(rows).items():
        lines += ["", f'[gpu."{name}"]']
        lines += [f"{field} = {float(f'{getattr(used, field):.4g}')!r}" for field in _FIELDS]
    return "\n".join(lines) + "\n"


_FIELDS = ("operations", "bandwidth", "step", "link")
_OWN = ("operations", "bandwidth", "link")
"""Constants that each GPU has of its own."""


def _of(values: Vector) -> list[Calibration]:
    step, own = float(values[0]), values[1:].reshape(-1, len(_OWN))
    return [Calibration(step=step, **dict(zip(_OWN, map(float, row), strict=True))) for row in own]


def main(tell: Callable[[str], object] = print) -> None:
    """Write the file."""
    text = written(published())
    (CATALOG / "calibration.toml").write_text(text)
    tell(text)


if __name__ == "__main__":
    main()
