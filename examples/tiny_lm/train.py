"""Train the model: `python -m examples.tiny_lm.train --out DIR --checkpoints s3://bucket/prefix`.

Goes on from the last whole checkpoint of the same job under the prefix. On SIGTERM (a spot machine
is about to be taken away) and on Ctrl-C it finishes the step, writes a checkpoint and ends with 143
or 130; started again, it reads exactly what it would have read. Events go to stdout as JSON lines,
words for people to stderr. S3 is found as boto3 finds it (AWS_ENDPOINT_URL, AWS_*).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from examples.tiny_lm import checkpoint, data
from examples.tiny_lm.definition import Definition
from examples.tiny_lm.events import Event, Kind
from examples.tiny_lm.export import Training, export
from examples.tiny_lm.graph import random_weights
from examples.tiny_lm.optimiser import Rows, State, evaluate, initial, train_step
from landfall import aws
from landfall.errors import LandfallError

CHECKPOINT_EVERY = 100
REPORT_EVERY = 10
"""Steps between two events."""
SIGNAL_CODE = 128
"""A program that a signal ended has this plus the signal's number as its exit code."""

Stopped = Callable[[], int]
"""The number of the signal that asks for an end, or 0."""


def train(
    job: Definition,
    corpus: data.Corpus,
    *,
    prefix: aws.Location,
    every: int,
    stopped: Stopped,
    tell: Callable[[Event], None],
    via: aws.Access = aws.AS_CONFIGURED,
) -> tuple[int, State, float]:
    """Train until the job is done or `stopped` says so: steps done, state, last loss.

    Either way the state is in a checkpoint when this returns. With `every`, also in between.

    Raises:
        Refused: the checkpoints under `prefix` are of another job.
        Missing, Unreachable: see `landfall.aws`.
    """
    digest = job.digest(corpus.digest)
    teller = _Teller(job, tell)
    found = checkpoint.latest(
        prefix, job=digest, on_torn=lambda name: teller(Kind.TORN, 0, name), via=via
    )
    step = found.step if found else 0
    state = _state(found.arrays) if found else initial(_fresh(job))
    loss = float(found.arrays["loss"]) if found else float("nan")
    teller(Kind.STARTED, step, f"resumed after step {step}" if found else "from the beginning")
    written = step

    def write() -> int:
        point = checkpoint.Checkpoint(step=step, arrays=_arrays(state, loss))
        place = checkpoint.write(prefix, point, job=digest, via=via)
        teller(Kind.CHECKPOINT, step, str(place))
        return step

    while step < job.steps and not stopped():
        rows, length = job.shape(step)
        batch = data.batch(corpus.train, rows=rows, length=length, seed=job.seed, step=step)
        state, value = train_step(job, state, _rows(batch), jnp.asarray(step))
        loss = float(value)
        step += 1
        teller.read += rows * length
        if step % REPORT_EVERY == 0 or step == job.steps:
            teller(Kind.STEP, step, loss=loss)
        if step % every == 0:
            written = write()
    if step != written:  # done, or asked to stop: nothing that was computed is lost
        write()
    return step, state, loss


def finish(
    folder: Path, job: Definition, corpus: data.Corpus, state: State, loss: float
) -> Training:
    """Measure the trained model on held-out text and write the folder that is handed on."""
    length = max(len(data.chat(pair)) for pair in corpus.held_out)
    whole, answers = (
        evaluate(
            job.model,
            state["weights"],
            _rows(data.measured(corpus.held_out, length=length, answers_only=only)),
        )
        for only in (False, True)
    )
    training = Training(
        job_digest=job.digest(corpus.digest),
        data_digest=corpus.digest,
        parameters=job.model.parameters,
        steps=job.steps,
        loss=round(loss, 6),
        perplexity=round(whole, 6),
        answer_perplexity=round(answers, 6),
    )
    weights = {name: np.asarray(array) for name, array in state["weights"].items()}
    export(folder, config=job.model, weights=weights, held_out=corpus.held_out, training=training)
    return training


class _Teller:
    """Makes events, and knows how much was read since the last one that told a speed."""

    def __init__(self, job: Definition, tell: Callable[[Event], None]) -> None:
        self.job, self.tell = job, tell
        self.read, self.since = 0, time.monotonic()

    def __call__(self, kind: Kind, step: int, detail: str = "", loss: float | None = None) -> None:
        speed = None
        if kind is Kind.STEP:
            now = time.monotonic()
            speed = self.read / max(now - self.since, 1e-9)
            self.read, self.since = 0, now
        self.tell(
            Event(
                kind=kind,
                step=step,
                steps=self.job.steps,
                pid=os.getpid(),
                loss=loss,
                tokens_per_s=speed,
                detail=detail,
            )
        )


def _fresh(job: Definition) -> dict[str, jax.Array]:
    drawn = random_weights(job.model, job.seed)
    return {name: jnp.asarray(each) for name, each in drawn.items()}


def _rows(batch: data.Batch) -> Rows:
    return jnp.asarray(batch.tokens), jnp.asarray(batch.targets), jnp.asarray(batch.weights)


def _arrays(state: State, loss: float) -> dict[str, npt.NDArray[np.float32]]:
    flat = {
        f"{part}/{name}": np.asarray(each) for part in state for name, each in state[part].items()
    }
    return {**flat, "loss": np.array(loss, np.float32)}


def _state(arrays: checkpoint.Arrays) -> State:
    state: State = {"weights": {}, "first": {}, "second": {}}
    for path, array in arrays.items():
        part, _, name = path.partition("/")
        if name:
            state[part][name] = jnp.asarray(array)
    return state


@contextmanager
def _signals() -> Iterator[Stopped]:
    """SIGTERM and Ctrl-C are noted and acted on between two steps."""
    noted = [0]

    def note(number: int, _: object) -> None:
        noted[0] = number

    before = {each: signal.signal(each, note) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: noted[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(event: Event) -> None:
    print(event.to_json(), flush=True)
    end = "\r" if sys.stderr.isatty() and event.kind is Kind.STEP else "\n"
    print(f"{event!s:<79}", end=end, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Run the job that the command line describes. Returns the exit code."""
    standard = Definition()
    parser = argparse.ArgumentParser(description="Train the tiny model.")
    parser.add_argument("--out", type=Path, required=True, help="folder to export to")
    parser.add_argument("--checkpoints", required=True, help="s3://bucket/prefix")
    parser.add_argument("--steps", type=int, default=standard.steps)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--every", type=int, default=CHECKPOINT_EVERY, help="steps per checkpoint")
    asked = parser.parse_args(argv)
    job = Definition(steps=asked.steps, seed=asked.seed)
    try:
        prefix = aws.Location.parse(asked.checkpoints)
        corpus = data.load()
        with _signals() as stopped:
            step, state, loss = train(
                job, corpus, prefix=prefix, every=asked.every, stopped=stopped, tell=_tell
            )
            teller = _Teller(job, _tell)
            if step < job.steps:
                teller(Kind.INTERRUPTED, step, f"signal {stopped()}")
                return SIGNAL_CODE + stopped()
            finish(asked.out, job, corpus, state, loss)
            teller(Kind.EXPORTED, step, str(asked.out))
    except LandfallError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
