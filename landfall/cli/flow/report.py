"""One report over cloud, site and engines."""

from __future__ import annotations

import hashlib
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from landfall import process
from landfall.cli.console import Reporter, Step
from landfall.cli.flow import cloud, git
from landfall.errors import CommandFailed, LandfallError
from landfall.model import host as hosts
from landfall.model.change import SEVERITY_OF, Change, Half, Kind, Report
from landfall.model.environment import Environment
from landfall.preview.digest import digest
from landfall.preview.mask import mask
from landfall.preview.wording import money
from stacks import automation
from stacks.changes import Collector

if TYPE_CHECKING:
    from landfall.cli.flow.engine_changes import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a preview is asked for.

    Attributes:
        offline: against the rehearsal's cloud instead of an account.
        base: a commit to compare with, or "" for the environment's own state.
        halves: which halves to look at; nothing is said of the others.
        ask_hosts: without it, every host counts as something that could not be previewed.
        state: another folder for the offline cloud's state than the environment's own.
    """

    offline: bool
    base: str = ""
    halves: frozenset[Half] = frozenset(Half)
    ask_hosts: bool = True
    state: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewed:
    """A masked report, its digest and the commit that was looked at."""

    report: Report
    digest: str
    commit: str


def preview(environment: Environment, wanted: Wanted, tell: Reporter) -> Previewed:
    """Ask all halves what an apply would change; nothing is changed."""
    changes: list[Change] = []
    unchanged: dict[Half, int] = {}
    policies: list[str] = []
    notes: list[str] = []
    with _base_tree(environment, wanted.base) as base:
        if Half.CLOUD in wanted.halves:
            with tell.step("cloud: preview by the Pulumi engine") as step:
                found, sentence = _cloud(environment, wanted, base, step)
                changes += found.changes
                unchanged[Half.CLOUD] = found.unchanged
                policies += found.policy_failures
                notes += [sentence, *_money(found), *found.policy_notes]
                step.result = f"{_number(len(found.changes))}, {found.unchanged} unchanged"
        if Half.ENGINES in wanted.halves:
            with tell.step("engines: plan") as step:
                planned = _engines(environment, base)
                changes += planned.changes
                unchanged[Half.ENGINES] = planned.unchanged
                notes += planned.notes
                step.result = _number(len(planned.changes))
        if Half.SITE in wanted.halves and not wanted.ask_hosts:
            changes += _not_asked(environment)
        elif Half.SITE in wanted.halves:
            with tell.step("site: playbook in check mode") as step:
                found_on_hosts, unchanged[Half.SITE] = _site(environment, step)
                changes += found_on_hosts
    report = mask(
        Report(
            environment=environment.name,
            compared_with=_compared_with(wanted),
            changes=tuple(changes),
            unchanged=unchanged,
            notes=tuple(notes),
            policy_failures=tuple(policies),
        )
    )
    commit = git.head(environment.root)
    context = {"commit": commit, "inventory": _files_digest(environment.inventory)}
    return Previewed(report=report, digest=digest(report, context), commit=commit)


def _cloud(
    environment: Environment, wanted: Wanted, base: Path | None, step: Step
) -> tuple[Collector, str]:
    with tempfile.TemporaryDirectory(prefix="landfall-base-") as name:
        state = wanted.state
        if base is not None and wanted.offline:
            state = Path(name)
            step.update(f"bringing up {wanted.base[:12]} offline, to compare with")
            _bring_up_base(environment.name, base, state)
        with cloud.session(
            environment, offline=wanted.offline, on_progress=step.update, backend=state
        ) as current:
            found = automation.preview(current, on_event=cloud.Counted(step))
            return found, current.cloud.sentence


def _money(found: Collector) -> list[str]:
    """What all changes together are worth a month, in a sentence."""
    known = [each.cost for each in found.changes if each.cost is not None]
    if not found.changes:
        return []
    unpriced = len(found.changes) - len(known)
    more = f"; {_number(unpriced)} without a known price" if unpriced else ""
    worth = money(math.fsum(known)) or "no difference"
    return [f"Money, at dated list prices: {worth}{more}."]


def _engines(environment: Environment, base: Path | None) -> Planned:
    from landfall.cli.flow import engine_changes

    return engine_changes.preview(environment, base)


def _site(environment: Environment, step: Step) -> tuple[list[Change], int]:
    from landfall import playbook

    run = playbook.run(environment, "site.yml", check=True, tolerate=True, on_task=step.update)
    step.result = f"{run.changed} tasks would change something"
    return playbook.changes(run, environment.name), playbook.unchanged(run)


def _number(changes: int) -> str:
    return "1 change" if changes == 1 else f"{changes} changes"


def _bring_up_base(name: str, tree: Path, state: Path) -> None:
    try:
        process.run(
            [sys.executable, "-m", "stacks", "up", name, "--state", state],
            cwd=tree,
            env={"PYTHONPATH": str(tree)},
            what="the base commit's cloud half",
        )
    except CommandFailed as error:
        raise LandfallError(
            f"the base commit cannot be brought up, so there is nothing to compare with\n{error}"
        ) from error


@contextmanager
def _base_tree(environment: Environment, base: str) -> Iterator[Path | None]:
    """A checkout of the commit `base`, outside the repository, or None where there is no base."""
    if not base:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="landfall-tree-") as name:
        folder = Path(name)
        archive = folder / "tree.tar"
        process.run(
            ["git", "-C", environment.root, "archive", "--output", archive, base],
            what=f"git archive {base}",
        )
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()
        yield folder


def _not_asked(environment: Environment) -> Iterator[Change]:
    for name in hosts.load(environment):
        yield Change(
            id=f"site:{name}:not-asked",
            environment=environment.name,
            half=Half.SITE,
            target=name,
            kind=Kind.UNKNOWN,
            severity=SEVERITY_OF[Kind.UNKNOWN],
            summary="not previewed: hosts were not to be asked",
        )


def _compared_with(wanted: Wanted) -> str:
    if wanted.base:
        return f"commit {wanted.base[:12]}, not with the account"
    return "the rehearsal's own state" if wanted.offline else "the account"


def _files_digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return whole.hexdigest()
