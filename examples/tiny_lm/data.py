"""The corpus as pairs of question and answer, and pairs as rows of tokens.

Of a fact's questions the first is always trained on; one of the others, chosen by the number of
the fact, is held out. So perplexity is measured on new words for known facts, which is what the
model is for.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from examples.tiny_lm.config import ASSISTANT, END, USER
from landfall.errors import InvalidInput, Problem

CORPUS = Path(__file__).with_name("corpus")
"""The text that the repository ships; its README says what it is."""

PHRASINGS = "phrasings.toml"
LOWER_CASE = 0.15
"""Share of the questions that are read in lower case, so that capitals matter less."""
NO_MARK = 0.25
"""Share of the questions that are read without their last mark."""
QUESTION_WEIGHT = 0.1
"""Weight of a question's token in the loss; an answer's is 1. The model is asked for answers."""

Tokens = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A question and the answer to it."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What is trained on, what is held out, and the SHA-256 of the files that both came from.

    `train` has an entry for every fact: the questions about it, each with its answer.
    """

    train: tuple[tuple[Pair, ...], ...]
    held_out: tuple[Pair, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is read, what should be predicted, and how much that counts: all [rows, length]."""

    tokens: Tokens
    targets: Tokens
    weights: Floats


def load(folder: Path = CORPUS) -> Corpus:
    """Read every fact of `folder`.

    Raises:
        InvalidInput: with every fact that lacks an answer or questions, has text that is not plain
            ASCII, or repeats a question.
    """
    stock = tomllib.loads((folder / PHRASINGS).read_text())["term"]
    files = sorted(path for path in folder.glob("*.toml") if path.name != PHRASINGS)
    facts = [
        (f"{path.name} fact[{number}]", fact)
        for path in files
        for number, fact in enumerate(tomllib.loads(path.read_text()).get("fact", []))
    ]
    asked = {where: _questions(fact, stock) for where, fact in facts}
    problems = [problem for where, fact in facts for problem in _wrong(where, fact, asked[where])]
    if not facts:
        problems.append(Problem(path="", message="holds no [[fact]]"))
    if problems or (problems := _repeated(asked)):
        raise InvalidInput(str(folder), problems)
    train, held_out = [], []
    for number, (where, fact) in enumerate(facts):
        pairs = [Pair(question=each, answer=fact["answer"]) for each in asked[where]]
        held_out.append(pairs.pop(1 + number % (len(pairs) - 1)))
        train.append(tuple(pairs))
    return Corpus(
        train=tuple(train), held_out=tuple(held_out), digest=_digest([*files, folder / PHRASINGS])
    )


def prompt(question: str) -> list[int]:
    """The tokens that ask `question`. A special token spelled in it stays mere bytes."""
    return [USER, *question.encode(), ASSISTANT]


def chat(pair: Pair) -> list[int]:
    """The tokens of a question and its answer."""
    return [*prompt(pair.question), *pair.answer.encode(), END]


def weights_of(pair: Pair) -> list[float]:
    """How much each token of `chat(pair)` counts in the loss, as something to predict."""
    asked = len(prompt(pair.question))
    return [QUESTION_WEIGHT] * asked + [1.0] * (len(pair.answer.encode()) + 1)


def batch(
    facts: tuple[tuple[Pair, ...], ...], *, rows: int, length: int, seed: int, step: int
) -> Batch:
    """The rows that `step` (from 0) trains on.

    They follow from `seed` and `step` alone, so a job that resumes reads exactly what it would have
    read. A row is a conversation: chats one after the other, the first at position 0, the last cut.
    Every fact is as likely as any other, however many questions there are about it.
    """
    random = np.random.default_rng([seed, step])
    tokens = np.zeros((rows, length + 1), np.int32)
    weights = np.zeros((rows, length + 1), np.float32)
    for row in range(rows):
        read: list[int] = []
        counts: list[float] = []
        while len(read) <= length:
            fact = facts[random.integers(len(facts))]
            pair = _varied(fact[random.integers(len(fact))], random)
            read += chat(pair)
            counts += weights_of(pair)
        tokens[row], weights[row] = read[: length + 1], counts[: length + 1]
    return Batch(tokens=tokens[:, :-1], targets=tokens[:, 1:], weights=weights[:, 1:])


def measured(pairs: tuple[Pair, ...], *, length: int, answers_only: bool) -> Batch:
    """Every pair in a row of its own. What counts: the answer and the end, or all that is read."""
    tokens = np.full((len(pairs), length + 1), END, np.int32)
    weights = np.zeros((len(pairs), length + 1), np.float32)
    for row, pair in enumerate(pairs):
        whole = chat(pair)
        tokens[row, : len(whole)] = whole
        weights[row, len(prompt(pair.question)) if answers_only else 1 : len(whole)] = 1.0
    return Batch(tokens=tokens[:, :-1], targets=tokens[:, 1:], weights=weights[:, 1:])


def _questions(fact: dict[str, object], stock: list[str]) -> list[str]:
    ask, term = fact.get("ask", []), fact.get("term")
    own = [str(each) for each in ask] if isinstance(ask, list) else []
    return [each.format(term=term) for each in stock] + own if term else own


def _wrong(where: str, fact: dict[str, object], questions: list[str]) -> list[Problem]:
    problems = [
        Problem(path=f"{where}.{key}", message="is not known")
        for key in sorted(set(fact) - {"answer", "term", "ask"})
    ]
    answer = fact.get("answer")
    if not isinstance(answer, str) or not answer:
        problems.append(Problem(path=f"{where}.answer", message="is missing"))
    if len(questions) < 3:  # noqa: PLR2004  two to train on, one to hold out
        problems.append(Problem(path=f"{where}.ask", message="needs at least 3 questions"))
    problems += [
        Problem(path=where, message=f"is not plain ASCII: {text!r}")
        for text in [str(answer), *questions]
        if not text.isascii()
    ]
    return problems


def _repeated(asked: dict[str, list[str]]) -> list[Problem]:
    first: dict[str, str] = {}
    problems = []
    for where, questions in asked.items():
        for question in questions:
            known = first.setdefault(question.lower().rstrip("?!."), where)
            if known != where or questions.count(question) > 1:
                problems.append(Problem(path=where, message=f"{question!r} is asked in {known}"))
    return problems


def _varied(pair: Pair, random: np.random.Generator) -> Pair:
    question = pair.question
    lower, bare = random.random(2)
    if bare < NO_MARK:
        question = question.rstrip("?.!")
    if lower < LOWER_CASE:
        question = question.lower()
    return Pair(question=question, answer=pair.answer)


def _digest(files: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
