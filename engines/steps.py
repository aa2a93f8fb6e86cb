"""The steps of a build in a container: each is a process of its own, and is done once.

A step writes into a folder that gets its name when the step has ended well. Whoever is killed
leaves only folders of steps that are done; the next build goes on after them.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from engines import diagnosis, digest, layout, podman
from engines.layout import TIMINGS, WORK, Mount
from engines.plan import Plan
from engines.planned import PlannedStep
from engines.podman import Container
from engines.recipes import MODEL
from engines.store import FULL
from landfall import files
from landfall.errors import CommandFailed, IntegrityError, LandfallError

Progress = Callable[[str], None]

TELL_EVERY_S = 5.0
"""A tool prints thousands of lines; all are in the log, and one in a while is told."""
LONGEST_TOLD = 160
TAIL_LINES = 5

SCRATCH = "tmp"
"""Home and temporary files of a step: below what it may write, removed when it ends."""

CODES = {
    125: "podman could not start the container",
    126: "the container has no right to run the program",
    127: "the container has no such program",
    137: "it was killed: memory of the host ran out, or somebody killed it",
}
"""Exit codes of podman run (its manual), and of a process that SIGKILL ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a build works with.

    Attributes:
        folder: of this build alone; the steps that are done, and the log.
        model: the model's folder, which has been verified.
        registry: of the site, where the image was pulled from.
        devices: the GPUs, by their CDI names.
        log: what all steps printed; it stays when the build is done.
        timings: the timings that the plan is pinned to; None for none.
        beside: folders of what is served beside the model, by their places in the engine.
    """

    folder: Path
    log: Path
    model: Path
    registry: str
    devices: tuple[str, ...]
    timings: Path | None = None
    beside: Mapping[str, Path] = field(default_factory=dict)

    def container(self, plan: Plan, mounts: Iterable[Mount], **environment: str) -> Container:
        """The plan's container, as this build runs it."""
        return Container(
            name=f"build-{plan.key[:12]}",
            image=plan.container,
            registry=self.registry,
            mounts=tuple(mounts),
            devices=self.devices,
            environment=environment,
        )


def carry_out(plan: Plan, work: Work, on_progress: Progress) -> list[Path]:
    """Carry out every step that is not done yet; the folders of all of them.

    Raises:
        CommandFailed: a step failed; says why where that is known, and what to do next.
        LandfallError: the disk is full.
    """
    done: list[Path] = []
    try:
        for number, step in enumerate(plan.steps, 1):
            name = f"{plan.engine}: step {number} of {len(plan.steps)}, {step.action}"
            folder = work.folder / f"step-{number}"
            if folder.is_dir():
                on_progress(f"{name}: done already")
            else:
                on_progress(name)
                _one(plan, step, folder, work, tuple(done), _Told(name, on_progress))
            done.append(folder)
    except OSError as error:
        if error.errno in FULL:
            raise full(plan, work, "writing") from error
        raise
    return done


def made(folders: Iterable[Path]) -> dict[str, Path]:
    """What steps made, by name; of two of one name the later."""
    return {path.name: path for folder in folders for path in sorted(folder.iterdir())}


def full(plan: Plan, work: Work, what: str) -> LandfallError:
    """The error of a disk that is full."""
    free = shutil.disk_usage(work.folder).free
    wanted = max((each.size or 0 for each in plan.needs if each.name == "disk"), default=0)
    return LandfallError(
        f"{plan.engine}: {what}: the disk of {work.folder} is full, {free} bytes are free",
        hint=f"The build takes {wanted} bytes at least. Make room and build again: "
        "steps that are done stay done.",
    )


class _Told:
    """Passes on a line of a step's output now and then."""

    def __init__(self, name: str, on_progress: Progress) -> None:
        self.name = name
        self._on_progress = on_progress
        self._last = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if line.strip() and now - self._last >= TELL_EVERY_S:
            self._last = now
            self._on_progress(f"{self.name}: {line.strip()[:LONGEST_TOLD]}")


def _one(
    plan: Plan, step: PlannedStep, folder: Path, work: Work, done: tuple[Path, ...], told: _Told
) -> None:
    partial = folder.with_name(f".{folder.name}")
    mounts = [Mount(source=work.model, target=MODEL)]
    container = work.container(plan, ())
    podman.remove(container.name)  # a killed build may have left it, writing
    shutil.rmtree(partial, ignore_errors=True)
    (partial / SCRATCH).mkdir(parents=True)
    try:
        inputs = _inputs(plan, step, partial, work, done)
        mounts += [Mount(source=partial, target=WORK, writable=True), *inputs]
        scratch = f"{WORK}/{SCRATCH}"
        container = work.container(
            plan, mounts, **{"HOME": scratch, "TMPDIR": scratch, **step.environment}
        )
        _run(plan, step, container, work, told)
        shutil.rmtree(partial / SCRATCH)
        for each in inputs:
            (partial / layout.place(each.target)).rmdir()
        _check_made(step, partial, done, told.name)
        files.flush(partial)
        partial.rename(folder)
        files.flush_one(work.folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _inputs(
    plan: Plan, step: PlannedStep, partial: Path, work: Work, done: tuple[Path, ...]
) -> list[Mount]:
    """Put what a step reads into its folder: files by their bytes, folders as mounts."""
    named = tuple(layout.parts(step.argv))
    for path, content in plan.files.items():
        if layout.place(path).partition("/")[0] in named:
            files.write(partial / layout.place(path), content)
    before = made(done)
    if work.timings is not None and TIMINGS in named and TIMINGS not in before:
        shutil.copyfile(work.timings, partial / TIMINGS)
        if digest.of_file(partial / TIMINGS) != plan.timing_cache:
            raise IntegrityError(f"{work.timings} has not the digest {plan.timing_cache[:12]}")
    found = []
    for name in named:
        if name in before and before[name].is_dir():
            (partial / name).mkdir()
            found.append(Mount(source=before[name], target=f"{WORK}/{name}"))
    return found


def _run(plan: Plan, step: PlannedStep, container: Container, work: Work, told: _Told) -> None:
    with work.log.open("a", encoding="utf-8") as log:
        _note(log, f"--- {told.name}: {' '.join(step.argv)}")

        def line(text: str) -> None:
            _note(log, text)
            told(text)

        ended = podman.run(container, step.argv, line)
        _note(log, f"--- ended with code {ended.returncode}")
    if ended.returncode:
        raise _failed(plan, told.name, ended.returncode, ended.stdout.splitlines(), work)


def _note(log: TextIO, text: str) -> None:
    log.write(text + "\n")
    log.flush()


def _failed(plan: Plan, name: str, code: int, output: list[str], work: Work) -> LandfallError:
    """Why a step failed, as far as its output is known; the rest is in the log."""
    known = diagnosis.diagnose(output)
    if not known and any(os.strerror(errno.ENOSPC) in line for line in output):
        return full(plan, work, name)
    if known:
        lines = [f"  {each.cause} ({each.quote!r})" for each in known]
        hint = " ".join(dict.fromkeys(each.next for each in known))
    else:
        lines = [f"  {line}" for line in output[-TAIL_LINES:]]
        hint = "This error is not known here; read the log."
    reason = CODES.get(code, f"it ended with code {code}")
    message = "\n".join([f"{name}: {reason}", *lines])
    return CommandFailed(message, returncode=code, hint=f"{hint} The log is {work.log}.")


def _check_made(step: PlannedStep, partial: Path, done: tuple[Path, ...], name: str) -> None:
    """See that every part that a step names is there: a tool may end well with nothing written."""
    there = {**made(done), **{path.name: path for path in partial.iterdir()}}
    empty = [
        part
        for part in layout.parts(step.argv)
        if part not in there or (there[part].is_dir() and not any(there[part].iterdir()))
    ]
    if empty:
        raise CommandFailed(f"{name}: it ended well, and did not write {', '.join(empty)}")
