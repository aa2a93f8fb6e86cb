"""Training in small, against S3 served on loopback: what is stopped goes on as if it never was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import pytest

from examples.tiny_lm import checkpoint, data
from examples.tiny_lm.answer import answer, reader
from examples.tiny_lm.config import ModelConfig
from examples.tiny_lm.definition import Definition
from examples.tiny_lm.events import Event, Kind
from examples.tiny_lm.export import Training
from examples.tiny_lm.model import forward
from examples.tiny_lm.train import finish, train
from landfall import aws
from landfall.errors import Refused

pytestmark = pytest.mark.services

Arrays = dict[str, npt.NDArray[np.float32]]
MODEL = ModelConfig(layers=1, heads=2, width=16, context=160)
JOB = Definition(model=MODEL, steps=9, rows=2, length=24, long_every=4)
CORPUS = data.load()
FACTS = data.Corpus(train=CORPUS.train[:8], held_out=CORPUS.held_out[:3], digest=CORPUS.digest)


class Run:
    """Trains JOB under a prefix, and stops after `until` steps."""

    def __init__(self, s3: aws.Access, prefix: str) -> None:
        self.s3 = s3
        self.prefix = aws.Location(bucket="training", key=prefix)
        aws.ensure_bucket("training", via=s3)
        self.events: list[Event] = []

    def __call__(
        self, *, job: Definition = JOB, until: int = 99, every: int = 3
    ) -> tuple[int, Arrays]:
        def stopped() -> int:
            starts = [event.step for event in self.events if event.kind is Kind.STARTED]
            done = starts[-1] + self.asked
            self.asked += 1
            return 15 if done >= until else 0

        self.asked = 0
        step, state, self.loss = train(
            job,
            FACTS,
            prefix=self.prefix,
            every=every,
            stopped=stopped,
            tell=self.events.append,
            via=self.s3,
        )
        self.state = state
        return step, {name: np.asarray(each) for name, each in state["weights"].items()}


@pytest.fixture
def start(s3: aws.Access, tmp_path: Path) -> Callable[[str], Run]:
    return lambda name: Run(s3, f"{tmp_path.name}/{name}")


def test_a_job_that_was_stopped_ends_with_the_same_weights(start: Callable[[str], Run]) -> None:
    whole, parts = start("whole"), start("parts")
    _, wanted = whole()
    assert parts(until=4)[0] == 4
    step, found = parts()
    assert step == JOB.steps
    assert [e.step for e in parts.events if e.kind is Kind.STARTED] == [0, 4]
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, atol=1e-7)


def test_a_finished_job_only_reads_its_checkpoint(start: Callable[[str], Run]) -> None:
    run = start("done")
    _, wanted = run()
    run.events.clear()
    _, found = run()
    assert [event.kind for event in run.events] == [Kind.STARTED]
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_a_torn_checkpoint_gives_way_to_the_one_before(start: Callable[[str], Run]) -> None:
    run = start("torn")
    run(until=6)
    last = max(aws.list_objects(run.prefix, via=run.s3), key=lambda each: each.location.key)
    body = aws.get_object(last.location, via=run.s3)
    aws.put_object(last.location, body[: len(body) // 2], via=run.s3)
    run.events.clear()
    step, _ = run()
    assert step == JOB.steps
    assert [(event.kind, event.step) for event in run.events[:2]] == [
        (Kind.TORN, 0),
        (Kind.STARTED, 3),
    ]
    assert run.events[0].detail == str(last.location)


def test_a_checkpoint_of_another_job_is_refused(start: Callable[[str], Run]) -> None:
    run = start("shared")
    run(until=3)
    other = Definition(model=MODEL, steps=9, rows=2, length=24, long_every=4, seed=1)
    with pytest.raises(Refused, match="belongs to another job"):
        run(job=other)


def test_a_prefix_does_not_see_another_that_begins_alike(start: Callable[[str], Run]) -> None:
    start("job2")(until=3)
    run = start("job")
    run(until=1)
    assert [e.step for e in run.events if e.kind is Kind.STARTED] == [0]


def test_the_export_computes_what_was_trained(start: Callable[[str], Run], tmp_path: Path) -> None:
    run = start("export")
    run()
    folder = tmp_path / "model"
    training = finish(folder, JOB, FACTS, run.state, run.loss)
    assert Training.read(folder) == training
    tokens = data.chat(FACTS.held_out[0])
    config, read = reader(folder)
    assert config == MODEL
    wanted = forward(MODEL, run.state["weights"], jnp.array([tokens]))[0]
    np.testing.assert_allclose(read(tokens, 0), wanted, atol=1e-4)
    assert isinstance(answer(folder, "What is Landfall?"), str)
    finish(folder, JOB, FACTS, run.state, run.loss)  # over what is there
    lines = (folder / "evaluation.txt").read_text().splitlines()
    pair = FACTS.held_out[0]
    assert lines[0] == f"<user>{pair.question}<assistant>{pair.answer}<end>"
    assert not list(tmp_path.glob("*.part"))


def test_a_checkpoint_comes_back_as_it_was(s3: aws.Access, tmp_path: Path) -> None:
    aws.ensure_bucket("training", via=s3)
    prefix = aws.Location(bucket="training", key=f"{tmp_path.name}/bytes")
    point = checkpoint.Checkpoint(step=5, arrays={"a/b": np.arange(6, dtype=np.float32)})
    places = {checkpoint.write(prefix, point, job="j", via=s3) for _ in range(2)}
    assert len(places) == 1
    found = checkpoint.latest(prefix, job="j", on_torn=pytest.fail, via=s3)
    assert found is not None
    assert found.step == 5
    assert np.array_equal(found.arrays["a/b"], point.arrays["a/b"])
