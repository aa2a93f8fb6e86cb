"""What a build takes: sizes against arithmetic by hand."""

from __future__ import annotations

import pytest

from engines import catalog
from engines.backends import Step
from engines.fit import Ask
from engines.fit.memory import shape_of, weight_bytes
from engines.needs import Need, needs

PARAMETERS = 8_030_261_248
SMALL = 2 * 525_336_576 + 266_240
"""Embedding, output layer and norms, which stay at 16 bit."""
FP8 = PARAMETERS - SMALL + 2 * SMALL


def ask(**changed: object) -> Ask:
    given = {"weights": "fp8", "batch": 8, "sequence": 4096, **changed}
    shape, gpu = shape_of("llama-3.1-8b"), catalog.gpus()["L40S"]
    return Ask(model="llama-3.1-8b", shape=shape, gpu=gpu, **given)  # type: ignore[arg-type]


def sizes(question: Ask, *tools: str, model: int = 0) -> dict[str, int | None]:
    found = needs(question, [Step(action=tool) for tool in tools], model)
    assert all(isinstance(each, Need) and each.why for each in found)
    return {each.name: each.size for each in found}


def test_weights_of_a_recipe_are_those_of_the_engine() -> None:
    assert weight_bytes(ask()) == FP8
    assert weight_bytes(ask(weights="bf16")) == 2 * PARAMETERS


@pytest.mark.parametrize(
    ("changed", "tools", "expected"),
    [
        ({}, ["quantize.py"], (2 * PARAMETERS, 2 * PARAMETERS, 2 * PARAMETERS + FP8)),
        (
            {"tp": 2},
            ["quantize.py", "trtllm-build"],
            (2 * PARAMETERS, PARAMETERS, 2 * PARAMETERS + 2 * FP8),
        ),
        (
            {"tp": 2, "weights": "bf16"},
            ["convert_checkpoint.py", "trtllm-build"],
            (4 * PARAMETERS, PARAMETERS, 6 * PARAMETERS),
        ),
    ],
)
def test_what_steps_take(
    changed: dict[str, object], tools: list[str], expected: tuple[int, int, int]
) -> None:
    found = sizes(ask(**changed), *tools)
    assert (found["memory of the host"], found["memory of one GPU"], found["disk"]) == expected
    assert found["time"] is None


def test_nothing_is_taken_where_nothing_is_built() -> None:
    assert sizes(ask(), model=123) == {"disk": 123}
