from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from examples.tiny_lm import data
from examples.tiny_lm.export import Training
from examples.tiny_lm.job import Outcome
from landfall.cli.flow import model
from landfall.errors import IntegrityError
from landfall.model import admission
from landfall.model.classification import Classification

OUTCOME = Outcome(
    folder=Path("out"),
    training=Training(
        job_digest="j",
        data_digest="d",
        parameters=1,
        steps=1,
        loss=1.0,
        perplexity=1.0,
        answer_perplexity=1.0,
    ),
    trained_on=date(2026, 11, 21),
    parts=(),
)


def test_the_text_is_what_was_admitted() -> None:
    for record in model.admitted():
        admission.verify(record, model.TRAINED_ON[record.id])
    assert data.CORPUS in model.TRAINED_ON.values()


def test_other_text_is_not(tmp_path: Path) -> None:
    [record] = model.admitted()
    other = shutil.copytree(data.CORPUS, tmp_path / "corpus")
    with (other / "site.toml").open("a") as file:
        file.write("\n")
    with pytest.raises(IntegrityError, match="is not what dataset/tiny-lm-text admits"):
        admission.verify(record, other)


def test_the_card_says_the_class_of_what_was_read() -> None:
    classes = [record.classification for record in model.admitted()]
    assert model.card(OUTCOME).classification is admission.inherited(classes)
    assert model.card(OUTCOME).classification is Classification.PUBLIC


def test_a_higher_class_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    known = model.admitted()
    secret = known[0].model_copy(update={"classification": Classification.CONFIDENTIAL})
    monkeypatch.setattr(model, "admitted", lambda: [*known, secret])
    card = model.card(replace(OUTCOME))
    assert card.tags()["classification"] == "confidential"
