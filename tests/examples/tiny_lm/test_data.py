from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples.tiny_lm import data
from examples.tiny_lm.config import ASSISTANT, END, USER, ModelConfig
from landfall.errors import InvalidInput

CORPUS = data.load()
TRAINED = [pair for fact in CORPUS.train for pair in fact]


def test_the_shipped_corpus_loads_and_splits() -> None:
    assert len(CORPUS.train) == len(CORPUS.held_out) >= 80
    for fact, held_out in zip(CORPUS.train, CORPUS.held_out, strict=True):
        assert {pair.answer for pair in fact} == {held_out.answer}
        assert len(fact) >= 2
    assert not {p.question for p in TRAINED} & {p.question for p in CORPUS.held_out}


@pytest.mark.parametrize("question", ["What is Landfall?", "Where may restricted data go?"])
def test_the_first_question_of_a_fact_is_trained_on(question: str) -> None:
    assert question in {pair.question for pair in TRAINED}


def test_every_pair_leaves_room_in_the_context() -> None:
    longest = max(len(data.chat(pair)) for pair in [*TRAINED, *CORPUS.held_out])
    assert longest <= ModelConfig().context // 2 + 32


def test_a_special_token_that_is_typed_stays_bytes() -> None:
    assert data.prompt("<end>") == [USER, *b"<end>", ASSISTANT]


def test_a_batch_follows_from_seed_and_step() -> None:
    one, same, other = (
        data.batch(CORPUS.train, rows=3, length=64, seed=0, step=step) for step in (7, 7, 8)
    )
    assert np.array_equal(one.tokens, same.tokens)
    assert not np.array_equal(one.tokens, other.tokens)


def test_targets_are_the_next_tokens_and_answers_count() -> None:
    batch = data.batch(CORPUS.train, rows=4, length=100, seed=1, step=0)
    assert batch.tokens.shape == batch.targets.shape == batch.weights.shape == (4, 100)
    assert np.array_equal(batch.tokens[:, 1:], batch.targets[:, :-1])
    assert (batch.tokens[:, 0] == USER).all()
    after = batch.tokens == ASSISTANT
    assert after.any()
    assert (batch.weights[after] == 1).all()  # the first byte of an answer
    assert (batch.weights[batch.targets == ASSISTANT] < 1).all()


def test_only_answers_are_measured() -> None:
    pair = data.Pair(question="Why?", answer="So.")
    batch = data.measured((pair,), length=20, answers_only=True)
    assert list(batch.targets[batch.weights == 1]) == [*b"So.", END]
    whole = data.measured((pair,), length=20, answers_only=False)
    assert list(whole.targets[whole.weights == 1]) == data.chat(pair)[1:]


def corpus(folder: Path, text: str) -> Path:
    (folder / "phrasings.toml").write_text('term = ["What is {term}?", "Explain {term}."]')
    (folder / "facts.toml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no [[fact]]"),
        ('[[fact]]\nask = ["a?", "b?", "c?"]', "facts.toml fact[0].answer: is missing"),
        ('[[fact]]\nanswer = "x"\nterm = "y"', "fact[0].ask: needs at least 3 questions"),
        ('[[fact]]\nanswer = "x"\nask = ["a", "b", "c"]\nhint = 1', "fact[0].hint: is not known"),
        ('[[fact]]\nanswer = "\u00e4"\nask = ["a", "b", "c"]', "is not plain ASCII: '\u00e4'"),
        (
            '[[fact]]\nanswer = "x"\nask = ["a", "b", "c"]\n'
            '[[fact]]\nanswer = "y"\nask = ["d", "e", "A?"]',
            "facts.toml fact[1]: 'A?' is asked in facts.toml fact[0]",
        ),
    ],
)
def test_a_wrong_corpus_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        data.load(corpus(tmp_path, text))
    assert message in str(caught.value)


def test_the_digest_changes_with_any_file(tmp_path: Path) -> None:
    folder = corpus(tmp_path, '[[fact]]\nanswer = "x"\nask = ["a", "b", "c"]')
    before = data.load(folder).digest
    (folder / "more.toml").write_text('[[fact]]\nanswer = "x"\nask = ["d", "e", "f"]')
    assert data.load(folder).digest != before
