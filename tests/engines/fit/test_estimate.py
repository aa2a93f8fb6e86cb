"""The estimate: its calibration is what the published rows give, and its error is stated."""

from __future__ import annotations

import pytest

from engines import catalog
from engines.fit import Ask, calibrate
from engines.fit.estimate import CATALOG, calibrations, error, estimate, published
from engines.fit.memory import shape_of


def ask(gpu: str) -> Ask:
    model = "llama-3.1-8b"
    found = catalog.gpus()[gpu]
    return Ask(model=model, shape=shape_of(model), gpu=found, batch=32, sequence=2000)


def test_the_constants_are_those_that_the_rows_give() -> None:
    assert (CATALOG / "calibration.toml").read_text() == calibrate.written(published())


def test_a_number_that_was_left_out_is_met() -> None:
    """The errors are in the file, which the test before has computed."""
    middle, largest = error()
    assert len(published()) == 28
    assert middle < 0.20
    assert largest < 0.40


@pytest.mark.parametrize("gpu", catalog.gpus())
def test_what_was_never_measured_is_called_so_and_has_a_wider_band(gpu: str) -> None:
    told = estimate(ask(gpu), prompt=1000, answer=1000, batch=32)
    assert told.calibrated == (gpu in calibrations())
    assert told.low < told.tokens_per_s < told.high
    assert told.high / told.tokens_per_s - 1 == pytest.approx(
        error()[1] * (1 if told.calibrated else 2)
    )


def test_more_at_a_time_is_more_in_all_and_slower_for_each() -> None:
    few, many = (estimate(ask("L40S"), prompt=500, answer=500, batch=batch) for batch in (1, 64))
    assert many.tokens_per_s > few.tokens_per_s * 10
    assert many.per_token_s > few.per_token_s


def test_the_order_of_gpus_is_that_of_their_numbers() -> None:
    speeds = {
        gpu: estimate(ask(gpu), prompt=1000, answer=1000, batch=32).tokens_per_s
        for gpu in ("L4", "L40S", "H100 SXM", "H200")
    }
    assert list(speeds) == sorted(speeds, key=speeds.__getitem__)
