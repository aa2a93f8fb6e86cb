"""The real training command in a real process, whose machine is taken away once."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from examples.tiny_lm import job
from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.definition import Definition
from examples.tiny_lm.events import Event, Kind, parse
from landfall import aws
from landfall.errors import CommandFailed, InvalidInput

SHORT = Definition(steps=10)


def surroundings(s3: aws.Access) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": s3.endpoint or "",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-central-1",
    }


def test_events_survive_the_pipe() -> None:
    event = Event(kind=Kind.STEP, step=3, steps=9, pid=1, loss=0.5, tokens_per_s=1e4, detail="x")
    assert parse(event.to_json()) == event
    assert str(event) == "step 3/9 step, loss 0.500, 10000 tokens/s  x"


@pytest.mark.parametrize("line", ["", "loss 3", "{", "{}", '{"kind": "party"}', "[1]"])
def test_other_output_is_no_event(line: str) -> None:
    assert parse(line) is None


def test_the_digest_covers_every_setting() -> None:
    standard = Definition()
    changed = [
        Definition(**{name: value + 1})
        for name, value in asdict(standard).items()
        if name != "model"
    ] + [Definition(model=ModelConfig(layers=2))]
    digests = {each.digest("data") for each in [standard, *changed]} | {standard.digest("other")}
    assert len(digests) == len(changed) + 2


def test_a_job_that_the_command_does_not_take_is_refused(tmp_path: Path) -> None:
    odd = Definition(rows=3)
    with pytest.raises(InvalidInput, match="only steps and seed"):
        job.run(tmp_path / "m", bucket="b", environment={}, on_event=print, job=odd)


@pytest.mark.services
def test_reclaimed_once_and_finished(s3: aws.Access, tmp_path: Path) -> None:
    aws.ensure_bucket("spot", via=s3)
    events: list[Event] = []
    given = {"bucket": "spot", "environment": surroundings(s3), "job": SHORT, "every": 4}
    outcome = job.run(tmp_path / "model", on_event=events.append, **given)  # type: ignore[arg-type]
    first, second = outcome.parts
    assert first.reclaimed
    assert not second.reclaimed
    assert first.first == 0
    assert 4 <= first.last < SHORT.steps
    assert (second.first, second.last) == (first.last, SHORT.steps)
    kinds = [event.kind for event in events]
    assert kinds.count(Kind.INTERRUPTED) == kinds.count(Kind.EXPORTED) == 1
    assert outcome.training.steps == SHORT.steps
    again = job.run(tmp_path / "model", on_event=events.append, **given)  # type: ignore[arg-type]
    assert again.parts == ()
    assert again.training == outcome.training


@pytest.mark.services
def test_a_training_that_fails_says_why(s3: aws.Access, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"code 1\n.*s3://absent") as caught:
        job.run(
            tmp_path / "m", bucket="absent", environment=surroundings(s3), on_event=print, job=SHORT
        )
    assert "Traceback" not in str(caught.value)
