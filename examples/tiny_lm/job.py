"""Run the training job as a child process, and take its spot machine away once.

    outcome = job.run(out, bucket="b", environment=services.environment, on_event=draw)

The parent needs no JAX. Killing it at any moment is fine: the child ends when nobody listens, and
the next run goes on from the last checkpoint, or returns the export if that is whole.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from examples.tiny_lm import data
from examples.tiny_lm.definition import Definition
from examples.tiny_lm.events import Event, Kind, parse
from examples.tiny_lm.export import TRAINING_FILE, Training
from landfall import process
from landfall.errors import CommandFailed, InvalidInput, Problem

ROOT = Path(__file__).resolve().parents[2]
RECLAIMED = 128 + signal.SIGTERM
"""Exit code of a job that wrote its checkpoint because its machine was taken away."""
MOST_LIVES = 5
"""How often the child is started, before something must be wrong with this machine."""
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
}
"""Lets glibc keep freed memory. XLA on a CPU otherwise gives the pages of every step back and asks
for them again in the next: 30 ms of 125 ms, measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One life of the training process: from step `first` to step `last`, in `seconds`."""

    first: int
    last: int
    reclaimed: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job has left: the exported folder, its numbers, and how it came about.

    `parts` is empty where an earlier run had finished already.
    """

    folder: Path
    training: Training
    trained_on: date
    parts: tuple[Part, ...]


def run(
    folder: Path,
    *,
    bucket: str,
    environment: Mapping[str, str],
    on_event: Callable[[Event], None],
    job: Definition | None = None,
    interrupt: bool = True,
    every: int = 100,
) -> Outcome:
    """Train `job` and export to `folder`.

    With `interrupt`, a job that begins from nothing gets one SIGTERM after its first checkpoint,
    as a spot reclaim sends it, and is started again. Checkpoints lie in `bucket` under a prefix of
    the job's own. `environment` says how the child reaches S3. `every`: steps per checkpoint.
    Beside `folder`, a folder `xla` keeps what was compiled, so that a resume costs seconds less.

    Raises:
        CommandFailed: training ended with an error; quotes it.
        InvalidInput: `job` has a setting that the training command does not take.
    """
    job = job or Definition()
    if job != Definition(steps=job.steps, seed=job.seed):
        wrong = "only steps and seed may differ from the standard"
        raise InvalidInput("training job", [Problem(path="", message=wrong)])
    digest = job.digest(data.load().digest)
    command = [
        *(sys.executable, "-m", "examples.tiny_lm.train"),
        *("--out", str(folder.resolve())),
        *("--checkpoints", f"s3://{bucket}/checkpoints/tiny-lm/{digest[:16]}"),
        *("--steps", str(job.steps), "--seed", str(job.seed), "--every", str(every)),
    ]
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(folder.resolve().with_name("xla"))}
    parts: list[Part] = []
    while (training := Training.read(folder)) is None or training.job_digest != digest:
        if parts and (not parts[-1].reclaimed or len(parts) == MOST_LIVES):
            raise CommandFailed(f"training ended {len(parts)} times and left no whole export")
        parts.append(
            _live(
                command,
                {**environment, **compiled},
                on_event=on_event,
                reclaim=interrupt and not parts,
            )
        )
    when = datetime.fromtimestamp((folder / TRAINING_FILE).stat().st_mtime, UTC)
    return Outcome(folder=folder, training=training, trained_on=when.date(), parts=tuple(parts))


def _live(
    command: list[str],
    environment: Mapping[str, str],
    *,
    on_event: Callable[[Event], None],
    reclaim: bool,
) -> Part:
    seen: list[Event] = []

    def hear(line: str) -> None:
        event = parse(line)
        if event is None:
            return
        seen.append(event)
        if reclaim and _first_checkpoint(seen):
            os.kill(event.pid, signal.SIGTERM)
        on_event(event)

    begun = time.monotonic()
    done = process.stream(
        command,
        on_line=hear,
        cwd=ROOT,
        env={**environment, **ALLOCATOR},
        check=False,
        what="training",
    )
    if done.returncode not in {0, RECLAIMED} or not seen:
        said = [line for line in done.stdout.splitlines() if not line.startswith("{")]
        quoted = "\n".join(f"  {line.rstrip()}" for line in said[-process.TAIL_LINES :])
        raise CommandFailed(
            f"training ended with code {done.returncode}\n{quoted}",
            returncode=done.returncode,
            output=done.stdout,
        )
    return Part(
        first=next(event.step for event in seen if event.kind is Kind.STARTED),
        last=seen[-1].step,
        reclaimed=done.returncode == RECLAIMED,
        seconds=time.monotonic() - begun,
    )


def _first_checkpoint(seen: list[Event]) -> bool:
    """Whether the newest event is the first checkpoint of a job that began from nothing."""
    kinds = [event.kind for event in seen]
    fresh = any(event.kind is Kind.STARTED and event.step == 0 for event in seen)
    newest = seen[-1]
    return (
        fresh
        and newest.kind is Kind.CHECKPOINT
        and kinds.count(Kind.CHECKPOINT) == 1
        and newest.step < newest.steps
    )
