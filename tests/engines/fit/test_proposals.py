"""What would fit: each proposal does, the cheapest comes first, and none is a luxury."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines import catalog
from engines.fit import Ask, Verdict
from engines.fit.memory import fit, problems, shape_of
from engines.fit.proposals import COSTS, proposals


def ask(model: str, gpu: str, batch: int = 8, sequence: int = 8192, **changed: Any) -> Ask:
    found = catalog.gpus()[gpu]
    return Ask(
        model=model, shape=shape_of(model), gpu=found, batch=batch, sequence=sequence, **changed
    )


def changes(asked: Ask, *others: str) -> list[str]:
    gpus = [catalog.gpus()[name] for name in others]
    return ["; ".join(each.changes) for each in proposals(asked, gpus)]


def test_the_cheapest_change_comes_first() -> None:
    assert changes(ask("llama-3.1-8b", "L40S", 32, 8192)) == [
        "batch: 32 → 23",
        "cache: bf16 → fp8",
        "sequence: 8192 → 5952",
        "tp: 1 → 2",
    ]


def test_another_gpu_is_proposed_where_it_could_be_taken() -> None:
    asked = ask("qwen2.5-32b", "L40S", 2, 4096)
    assert "gpu: L40S → H100 PCIe" in changes(asked, "H100 PCIe")
    assert not any("gpu" in each for each in changes(asked))


def test_two_changes_where_one_is_not_enough() -> None:
    found = changes(ask("llama-3.1-70b", "L40S", 16, 8192))
    assert all(";" in each or each.startswith("tp") for each in found)


def test_nothing_is_proposed_that_is_not_known_to_run() -> None:
    # FP8 weights do not run on an A40, and SmoothQuant there is not established
    for each in proposals(ask("llama-3.1-8b", "A40", 64, 8192)):
        assert each.ask.weights in {"bf16", "int4_awq"}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(catalog.models())),
    st.sampled_from(["A40", "L40S", "H100 SXM"]),
    st.integers(1, 128),
    st.integers(128, 8192),
)
def test_every_proposal_fits_and_changes_something(
    model: str, gpu: str, batch: int, sequence: int
) -> None:
    asked = ask(model, gpu, batch, sequence)
    if next(problems(asked), None) is not None:
        return
    for each in proposals(asked, list(catalog.gpus().values())):
        assert fit(each.ask).verdict is Verdict.FITS
        assert each.ask != asked
        assert each.changes
        assert {word.partition(":")[0] for word in each.changes} <= set(COSTS)


@pytest.mark.parametrize("gpu", ["A40", "L40S"])
def test_what_fits_alone_is_not_proposed_in_a_pair(gpu: str) -> None:
    found = proposals(ask("llama-3.1-8b", gpu, 64, 8192))
    kinds = [{word.partition(":")[0] for word in each.changes} for each in found]
    assert not any(a < b for a in kinds for b in kinds)
