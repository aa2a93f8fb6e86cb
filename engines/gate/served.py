"""Gates of an engine that is served in a container: measured through its API, judged here.

The container has no network. What asks it runs in the network of the container, on this host.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines import diagnosis, layout, podman
from engines.gate import Progress, answers, latency
from engines.gate.answers import NEXT_WORD, PERPLEXITY, Measured
from engines.layout import Mount
from engines.load.outcome import Outcome as Answered
from engines.load.statistics import summarise
from engines.manifest import Gate, Outcome, Speed
from engines.plan import Plan
from engines.planned import PlannedStep
from engines.recipes import MODEL
from engines.source import EVALUATION
from engines.steps import Work
from landfall import files, process
from landfall.errors import CommandFailed, GateFailed
from landfall.model.parsing import parse

METRICS = {"vllm": PERPLEXITY, "tensorrt_llm": NEXT_WORD}
"""By backend; why they differ is in engines.gate.answers."""

LEAST_RIGHT = 0.1
"""Share of words below which a server makes no sense: one that always says the most frequent word
of English is right about one time in twenty."""
LEAST_BETTER = 10
"""How much better than guessing over the whole vocabulary a perplexity must be to make sense."""

NO_TEXT = f"the model has no {EVALUATION}: there is no held-out text to ask"
NO_REFERENCE = (
    "nothing here serves the unquantised model to compare with: it came quantised, or one host "
    "cannot hold it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the gates found; `quality` where perplexity was measured, `speed` where it could be."""

    outcomes: tuple[Outcome, ...]
    quality: Gate | None = None
    speed: Speed | None = None


def gates(plan: Plan, folder: Path, work: Work, on_progress: Progress) -> Found:
    """Serve the engine in `folder` and see that it passes every gate that can be run here.

    A gate that could not be run is `not run`, with the reason: that is not passed.

    Raises:
        GateFailed: a bound was missed, an answer did not come, or the server did not start.
    """
    if EVALUATION not in plan.source.files or plan.serve is None:
        names = ["quality", "determinism", *(["latency"] if plan.gates.latency else [])]
        return Found(
            outcomes=tuple(Outcome(name=n, outcome="not run", detail=NO_TEXT) for n in names)
        )
    on_progress(f"{plan.engine}: serving it, to measure it")
    mine = _measure(plan, plan.serve, work, layout.serving(folder), whole=True)
    quality, outcome = _quality(plan, mine, work, on_progress)
    outcomes = [outcome, sameness(mine)]
    if plan.gates.latency is not None:
        answered = (Answered(**each) for each in mine.outcomes)
        outcomes.append(latency.judge(plan.gates.latency, summarise(answered)))
    speed = Speed(tokens_per_second=mine.tokens_per_second, tokens=mine.tokens)
    return Found(outcomes=tuple(outcomes), quality=quality, speed=speed if mine.tokens else None)


def unchanged(plan: Plan) -> bool:
    """Whether the engine is the unquantised model itself, served as it would be to compare."""
    if plan.reference is None or plan.serve is None or plan.steps:
        return False
    mine, other = plan.serve, plan.reference.step
    same = mine.argv == other.argv and mine.environment == other.environment
    return same and plan.files == plan.reference.files


def compare(bound: float, mine: Measured, reference: Measured) -> dict[str, float]:
    """What the engine lost against the unquantised model; the ratio grows with the loss.

    Raises:
        GateFailed: more than the bound, or one of the two is no finite number.
    """
    before, after = _number(reference), _number(mine)
    worse, better = (after, before) if mine.metric == PERPLEXITY else (before, after)
    ratio = worse / better if better > 0 else math.inf
    if not (math.isfinite(ratio) and ratio <= bound and worse > 0):
        raise GateFailed(
            f"{mine.metric} {after:.4f} against {before:.4f} of the unquantised model: "
            f"{ratio:.4f} times worse, the bound is {bound}",
            hint="Choose a wider precision, or change gates.quality.max_ratio if the loss is fine.",
        )
    return {"reference": before, "engine": after, "ratio": ratio, "max_ratio": bound}


def sensible(vocabulary: int, mine: Measured) -> Outcome:
    """See that what nothing was compared with makes sense at all.

    Raises:
        GateFailed: it answers no better than who guesses.
    """
    found = _number(mine)
    if mine.metric == PERPLEXITY:
        bound = vocabulary / LEAST_BETTER
        good = found <= bound
    else:
        bound = LEAST_RIGHT
        good = found >= bound
    if not good:
        raise GateFailed(
            f"{mine.metric} {found:.4f}: the engine makes no sense, the bound is {bound:g}",
            hint="Look whether tokenizer, weights and chat template are of one model.",
        )
    return Outcome(
        name="quality",
        outcome="passed",
        detail="the model is served unquantised: compared with guessing, not with itself",
        figures={mine.metric: found, "bound": bound, "count": float(mine.count)},
    )


def sameness(mine: Measured) -> Outcome:
    """See that prompts that were asked again got the same answers.

    Raises:
        GateFailed: some did not, or none was asked.
    """
    if mine.different or not mine.prompts:
        raise GateFailed(
            f"determinism: {mine.different} of {mine.prompts} prompts got another answer when they "
            "were asked again",
            hint="Nothing that is measured on such an engine holds for the next request.",
        )
    figures = {
        "prompts": float(mine.prompts),
        "tokens": float(answers.TOKENS),
        "different_from_the_first_time": float(mine.cold_different),
    }
    return Outcome(name="determinism", outcome="passed", figures=figures)


def _quality(
    plan: Plan, mine: Measured, work: Work, on_progress: Progress
) -> tuple[Gate | None, Outcome]:
    if unchanged(plan):
        return None, sensible(plan.source.shape.vocab if plan.source.shape else 0, mine)
    if plan.reference is None:
        figures = {mine.metric: _number(mine)} if mine.value is not None else {}
        detail = NO_REFERENCE
        return None, Outcome(name="quality", outcome="not run", detail=detail, figures=figures)
    on_progress(f"{plan.engine}: serving the unquantised model, to compare")
    folder = work.folder / "reference"
    for path, content in plan.reference.files.items():
        files.write(folder / layout.place(path), content)
    mounts = (Mount(source=work.model, target=MODEL), *_read_only(folder))
    reference = _measure(plan, plan.reference.step, work, mounts, whole=False)
    assert plan.gates.quality is not None  # the spec of this kind has it
    figures = compare(plan.gates.quality.max_ratio, mine, reference)
    gate = Gate.model_validate({"metric": mine.metric, **figures})
    counted = {**figures, "count": float(mine.count)}
    return gate, Outcome(name="quality", outcome="passed", detail=mine.metric, figures=counted)


def _read_only(folder: Path) -> tuple[Mount, ...]:
    return (Mount(source=folder, target=layout.WORK),) if folder.is_dir() else ()


def _measure(
    plan: Plan, step: PlannedStep, work: Work, mounts: tuple[Mount, ...], *, whole: bool
) -> Measured:
    """Serve with a command and measure what it answers."""
    container = work.container(plan, mounts, **{"HOME": "/tmp", **step.environment})  # noqa: S108
    log = work.log.with_suffix(".server.log")
    log.unlink(missing_ok=True)
    record = work.folder / "server.json"
    with _explained(plan, log), podman.running(
        container, step.argv, record=record, log=log
    ) as daemon:  # fmt: skip
        inside = podman.pid(container, daemon)
        asks = ["nsenter", f"--target={inside}", "--net", "--", sys.executable, "-m"]
        words = [*asks, answers.__name__, f"--pid={daemon.pid}", *_asked(plan, step, work, whole)]
        done = process.run(words, what="measuring")
    return parse(Measured, json.loads(done.stdout), source="what was measured")


def _asked(plan: Plan, step: PlannedStep, work: Work, whole: bool) -> Iterator[str]:
    port = step.argv[step.argv.index("--port") + 1]
    yield f"--url=http://127.0.0.1:{port}"
    yield f"--text={work.model / EVALUATION}"
    yield f"--metric={METRICS[plan.backend]}"
    yield f"--longest={plan.parts.get('max_prompt') or answers.LONGEST_LINE}"
    if whole:
        yield "--whole"
    if whole and (load := plan.gates.latency) is not None:
        yield from (f"--rate={load.requests_per_second}", f"--requests={load.requests}")


@contextmanager
def _explained(plan: Plan, log: Path) -> Iterator[None]:
    """Tell why a server failed, where its log says something that is known."""
    try:
        yield
    except CommandFailed as error:
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        known = diagnosis.diagnose(lines)
        told = "".join(f"\n  {each.cause} ({each.quote!r})" for each in known)
        hint = " ".join(dict.fromkeys(each.next for each in known))
        raise GateFailed(
            f"{plan.engine} could not be measured: {error.message}{told}",
            hint=f"{hint} The server's log is {log}.".strip(),
        ) from error


def _number(found: Measured) -> float:
    return math.nan if found.value is None else found.value
