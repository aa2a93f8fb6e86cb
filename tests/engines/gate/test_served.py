"""Verdicts over what was measured of a server, and what it is asked."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.gate import answers, served
from engines.gate.answers import NEXT_WORD, PERPLEXITY, WORDS, Measured
from landfall.errors import GateFailed, Unreachable

Told = dict[str, Any]


def measured(metric: str, value: float | None, **more: Any) -> Measured:
    return Measured(metric=metric, value=value, count=100, **more)


@pytest.mark.parametrize(
    ("metric", "engine", "reference", "ratio"),
    [
        (PERPLEXITY, 10.4, 10.0, 1.04),
        (PERPLEXITY, 9.0, 10.0, 0.9),
        (NEXT_WORD, 0.40, 0.41, 1.025),
        (NEXT_WORD, 0.50, 0.40, 0.8),
    ],
)
def test_a_ratio_grows_with_the_loss(
    metric: str, engine: float, reference: float, ratio: float
) -> None:
    found = served.compare(1.05, measured(metric, engine), measured(metric, reference))
    assert found["ratio"] == pytest.approx(ratio)
    assert (found["engine"], found["reference"]) == (engine, reference)


@pytest.mark.parametrize(
    ("metric", "engine", "reference"),
    [
        (PERPLEXITY, 10.6, 10.0),
        (PERPLEXITY, None, 10.0),
        (PERPLEXITY, 10.0, None),
        (NEXT_WORD, 0.38, 0.40),
        (NEXT_WORD, 0.0, 0.40),
        (NEXT_WORD, 0.0, 0.0),
        (NEXT_WORD, None, 0.4),
    ],
)
def test_what_is_worse_or_no_number_fails(
    metric: str, engine: float | None, reference: float | None
) -> None:
    with pytest.raises(GateFailed, match=f"{metric} .* the bound is 1.05"):
        served.compare(1.05, measured(metric, engine), measured(metric, reference))


def test_words_by_chance_make_no_sense() -> None:
    assert served.sensible(100, measured(NEXT_WORD, 0.3)).outcome == "passed"
    for value in (0.05, None):
        with pytest.raises(GateFailed, match="makes no sense"):
            served.sensible(100, measured(NEXT_WORD, value))


def test_a_perplexity_near_that_of_guessing_makes_no_sense() -> None:
    assert served.sensible(1000, measured(PERPLEXITY, 99.0)).figures["bound"] == 100.0
    for value in (101.0, None):
        with pytest.raises(GateFailed, match="makes no sense"):
            served.sensible(1000, measured(PERPLEXITY, value))


def test_an_answer_that_changes_fails() -> None:
    good = measured(NEXT_WORD, 0.5, prompts=3, cold_different=1)
    assert served.sameness(good).figures["different_from_the_first_time"] == 1.0
    for wrong in ({"prompts": 3, "different": 1}, {"prompts": 0}):
        with pytest.raises(GateFailed, match="got another answer"):
            served.sameness(measured(NEXT_WORD, 0.5, **wrong))


@given(st.lists(st.text(alphabet="ab \t", max_size=40), max_size=60))
def test_questions_are_beginnings_with_the_word_that_follows(lines: list[str]) -> None:
    found = answers.questions(lines)
    assert len(found) <= WORDS
    for prompt, word in found:
        assert word.strip() == word != ""
        assert any(line.startswith(f"{prompt} {word}") for line in lines)


def test_questions_are_spread_over_the_whole_text() -> None:
    lines = [" ".join(f"{row}-{column}" for column in range(40)) for row in range(60)]
    found = answers.questions(lines)
    assert WORDS / 2 < len(found) <= WORDS
    assert {word.split("-")[0] for _, word in found} == {str(row) for row in range(60)}


def completion(values: list[float | None], read: int) -> Told:
    return {
        "choices": [{"logprobs": {"token_logprobs": values}}],
        "usage": {"prompt_tokens": read},
    }


def test_perplexity_leaves_out_the_first_token_and_what_was_generated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = completion([None, -1.0, -3.0, -99.0], 3)
    monkeypatch.setattr(answers, "_call", lambda *_: told)
    value, count = answers.perplexity("", "m", ["a b c"])
    assert value == pytest.approx(math.e**2)
    assert count == 2


@pytest.mark.parametrize("values", [[-0.1], [None, -1.0], []])
def test_a_server_that_tells_nothing_of_the_prompt(
    values: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_call", lambda *_: completion(values, 3))
    with pytest.raises(Unreachable, match=r"log-probabilities came for 3 tokens of a prompt"):
        answers.perplexity("", "m", ["a b c"])


def test_numbers_that_are_none_are_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_call", lambda *_: completion([None, None, -1.0, -1.0], 3))
    assert answers.perplexity("", "m", ["a b c"])[0] == math.inf
