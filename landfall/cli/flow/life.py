"""The whole life of engines, for real, under load: what a release does when all goes well or not.

Two engines are built, gated, signed and put in the store: one that is as good as the one that
answers, and one of a model that was never trained. The first is tried on a share and promoted.
The second is tried, too; the host's judge takes it out. Then the release goes back to the engine
that answered at the beginning. Requests go on all the while, and none may fail.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import yaml

from engines.candidate import SHORT
from engines.load import ask
from engines.load import run as runs
from engines.load.schedule import poisson
from engines.load.statistics import Report, summarise
from landfall import process
from landfall.cli.console import Reporter, Step
from landfall.cli.flow import engine, judging, loading, model, release, report, services, site
from landfall.cli.flow import untrained as untrained_model
from landfall.cli.flow.judging import Said
from landfall.errors import LandfallError, Refused
from landfall.model import release as releases
from landfall.model.change import Half
from landfall.model.environment import Environment

TAGS = ("engine", "serving", "gateway", "judge", "metrics", "unit")
"""What of a host follows a release."""
MOST = 100_000
"""Requests that the schedule holds: more than a life can take."""
PATIENCE_S = 240.0
"""How long the judge may wait until it has seen enough."""
SHARE = 30
"""Percent of the requests that a canary gets here: enough to be judged within a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How the life is lived.

    Attributes:
        rate: requests per second.
        least: how many requests there must be in the end.
        tenant: who asks.
        on_host: build on the build host, else in this process.
    """

    rate: float = 4.0
    least: int = 1000
    tenant: str = "clinic"
    on_host: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the life: what was done, what came of it, and the requests since the last."""

    name: str
    result: str
    seconds: float
    requests: int
    failed: int


@dataclass(slots=True, kw_only=True)
class Life:
    """A life in progress."""

    environment: Environment
    tell: Reporter
    asked: Asked
    stages: list[Stage] = field(default_factory=list)
    load: runs.Run | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[Step]:
        """Do one stage, and note it with the requests that ended meanwhile."""
        began, before = time.monotonic(), self._outcomes()
        with self.tell.step(name) as step:
            yield step
        now = self._outcomes()
        self.stages.append(
            Stage(
                name=name,
                result=step.result,
                seconds=time.monotonic() - began,
                requests=now[0] - before[0],
                failed=now[1] - before[1],
            )
        )

    def _outcomes(self) -> tuple[int, int]:
        found = self.load.outcomes() if self.load else []
        return len(found), sum(bool(each.error) for each in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A life that has ended: its stages, its requests, and its engines."""

    stages: tuple[Stage, ...]
    report: Report
    first: str
    good: str
    bad: str
    verdict: Said


def live(environment: Environment, tell: Reporter, asked: Asked) -> Lived:
    """Live it. The environment is up, and an engine answers.

    Raises:
        Refused: it is no rehearsal, or nothing answers yet.
        LandfallError: a stage did not end as it must.
    """
    now = releases.load(environment).get(model.NAME)
    if not environment.rehearsal or now is None:
        raise Refused(f"{environment.name} is no rehearsal that answers", hint="landfall up dev")
    if now.canaries:
        raise Refused(f"{model.NAME} has a canary already", hint="Roll it back first.")
    life = Life(environment=environment, tell=tell, asked=asked)
    good, bad = _build(life)
    life.load = _begin(life)
    try:
        _promote(life, good)
        verdict = _catch(life, bad)
        _return(life, now.proven)
        with life.stage("load: until there are enough requests") as step:
            load = life.load
            if not _wait(lambda: len(load.outcomes()) >= asked.least):
                raise LandfallError(f"fewer than {asked.least} requests; give a higher --rate")
            step.result = f"{len(load.outcomes())} have ended"
    finally:
        outcomes = life.load.stop()
    return Lived(
        stages=tuple(life.stages),
        report=summarise(outcomes),
        first=now.proven,
        good=good,
        bad=bad,
        verdict=verdict,
    )


def _build(life: Life) -> tuple[str, str]:
    uri = services.registry_uri(life.environment)
    with life.stage("build, gate, sign: the same model in float32") as step:
        good = _engine(life, step, uri, {"precision": "float32"})
    with life.stage("build, gate, sign: a model that was never trained") as step:
        version = untrained_model.register(life.environment, tracking_uri=uri)
        wanted = {"name": version.name, "version": str(version.version)}
        bad = _engine(life, step, uri, {"model": wanted})
    return good, bad


def _engine(life: Life, step: Step, uri: str, change: dict[str, object]) -> str:
    """Build the engine of the spec with a change; its key."""
    path = life.environment.root / "engines/specs" / f"{model.NAME}.yaml"
    spec = {**yaml.safe_load(path.read_text(encoding="utf-8")), **change}
    changed = life.environment.work / "life" / f"{model.NAME}.yaml"
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text(yaml.safe_dump(spec), encoding="utf-8")
    planned = engine.plan(life.environment, str(changed), tracking_uri=uri)
    key = engine.ensure(
        life.environment, planned, on_host=life.asked.on_host, on_progress=step.update
    ).key
    step.result = f"{key[:SHORT]}; {engine.describe(life.environment, key)}"
    return key


def _begin(life: Life) -> runs.Run:
    wanted = loading.Wanted(name=model.NAME, rate=life.asked.rate, requests=MOST, tokens=8)
    target = loading.target(life.environment, wanted, tenant=life.asked.tenant)
    going = runs.Run(
        ask=lambda prompt: ask.ask(target, prompt),
        arrivals=poisson(rate=wanted.rate, requests=MOST, seed=wanted.seed),
        prompts=loading.PROMPTS,
    )
    going.start()
    return going


def _promote(life: Life, key: str) -> None:
    _canary(life, key)
    with life.stage(f"judge: {key[:SHORT]}") as step:
        said = _verdict(life, step)
        if said.verdict != "kept":
            raise LandfallError(f"a good engine was {said.verdict}: {'; '.join(said.reasons)}")
        step.result = "kept: as good as the proven engine"
    with life.stage(f"promote: {key[:SHORT]}") as step:
        moved = release.promote(life.environment, model.NAME, "", release.Asked())
        _follow(life, step, moved)


def _catch(life: Life, key: str) -> Said:
    _canary(life, key)
    with life.stage(f"judge: {key[:SHORT]}") as step:
        said = _verdict(life, step)
        if said.verdict != "withdrawn":
            raise LandfallError(f"the bad engine was {said.verdict}; nothing was held against it")
        step.result = f"taken out: {'; '.join(said.reasons)}"
    with life.stage("preview: the release still names it") as step:
        wanted = report.Wanted(offline=True, halves=frozenset({Half.SITE}))
        found = report.preview(life.environment, wanted, life.tell).report.changes
        drift = [each.summary for each in found if ":drift:" in each.id]
        if not drift:
            raise LandfallError("the preview does not show what the judge has done")
        step.result = drift[0]
    return said


def _return(life: Life, first: str) -> None:
    with life.stage("rollback: the canary is gone from the release") as step:
        moved = release.rollback(life.environment, model.NAME, release.Asked())
        _follow(life, step, moved)
    with life.stage(f"rollback: to {first[:SHORT]}") as step:
        moved = release.rollback(life.environment, model.NAME, release.Asked())
        _follow(life, step, moved)
    now = releases.load(life.environment)[model.NAME]
    if now.proven != first:
        raise LandfallError(f"the rollback went to {now.proven[:SHORT]}, not to {first[:SHORT]}")


def _canary(life: Life, key: str) -> None:
    with life.stage(f"canary: {key[:SHORT]} on {SHARE} percent") as step:
        moved = release.canary(life.environment, model.NAME, key, SHARE, release.Asked())
        _follow(life, step, moved)


def _follow(life: Life, step: Step, moved: release.Moved) -> None:
    if not moved.diff:
        raise LandfallError(f"{moved.file} says so already, so nothing was moved")
    site.run(life.environment, site.Asked(tags=TAGS), step)


def _verdict(life: Life, step: Step) -> Said:
    """What the hosts say once they have seen enough; the worst of them."""
    found: list[Said] = []

    def decided() -> bool:
        found[:] = judging.ask(life.environment, step.update)
        return bool(found) and all(each.verdict != "waiting" for each in found)

    if not _wait(decided):
        waiting = "; ".join(text for each in found for text in each.waiting)
        raise LandfallError(f"the judge has not seen enough: {waiting or 'it says nothing'}")
    return max(found, key=lambda each: each.verdict == "withdrawn")


def _wait(ready: Callable[[], bool]) -> bool:
    return process.wait_until(ready, timeout_s=PATIENCE_S, interval_s=1.0)
