"""The site half: the rack of a rehearsal, and the playbooks that configure hosts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from landfall import files, playbook
from landfall.cli.console import Step
from landfall.cli.flow import aliases, rack
from landfall.errors import Refused, UsageError
from landfall.model import fleet, variables
from landfall.model.change import Half, Report
from landfall.model.environment import Environment, cache_folder
from rehearsal import setup

COST_DATA = frozenset({"storage", "replace-disk", "decommission"})
"""Playbooks after which data may be gone."""

INTERNAL = frozenset({"build"})
"""Playbooks that other commands run, with what they need."""


OF_THE_HOST = (
    "preflight",
    "base",
    "hardening",
    "storage",
    "network",
    "firewall",
    "tuning",
    "audit",
    "gpu",
    "programs",
)
"""What of `site.yml` needs no engine, and so can be done before there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of the site half is to run, and on what.

    Attributes:
        playbook: a file of `playbooks/`, without its ending.
        limit: an Ansible pattern of hosts; empty for all.
        tags: only what carries one of them; empty for all.
        skip_tags: all but what carries one of them.
        values: variables of this run alone.
        several: whether a playbook that can cost data may touch more than one host.
    """

    playbook: str = "site"
    limit: str = ""
    tags: tuple[str, ...] = ()
    skip_tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    several: bool = False

    @property
    def costs_data(self) -> bool:
        """Whether data may be gone afterwards."""
        return self.playbook in COST_DATA

    @property
    def serves_whole(self) -> bool:
        """Whether every host is known to answer, by its releases, once the run has ended well."""
        whole = not self.limit and (not self.tags or {"serving", "gateway"} <= {*self.tags})
        return self.playbook == "site" and whole


def playbooks(environment: Environment) -> list[str]:
    """The playbooks that a person runs."""
    found = {path.stem for path in (environment.root / "playbooks").glob("*.yml")}
    return sorted(found - INTERNAL)


def check_asked(environment: Environment, asked: Asked) -> None:
    """Look at what is asked before a host is.

    Raises:
        UsageError: there is no such playbook.
        Refused: it can cost data, and would touch more than one host.
        InvalidInput: the inventory is wrong.
    """
    known = playbooks(environment)
    if asked.playbook not in known:
        raise UsageError(f"no playbook {asked.playbook}; there are {', '.join(known)}")
    hosts = fleet.load(environment)
    if asked.costs_data and not asked.several and asked.limit not in hosts:
        raise Refused(
            f"{asked.playbook} can cost data, so it touches one host at a time; "
            f"give --limit with one of {', '.join(sorted(hosts))}",
            hint="--several lets it touch more, each with a confirmation of its own",
        )


def boot(environment: Environment, step: Step) -> None:
    """Boot the rehearsal's rack and note where its hosts get wheels from.

    Raises:
        MissingTool: this machine cannot boot a host; says what is missing.
        Busy: a port is taken.
    """
    made = setup.prepare(cache_folder(), step.update)
    found = rack.of(environment, step.update)
    found.up(rootfs=made.rootfs, repository=made.repository, wheelhouse=made.wheelhouse.path)
    address = f"{found.packages_url}/{made.wheelhouse.path.name}/"
    value = {"url": address, "digest": made.wheelhouse.digest}
    files.write(environment.wheelhouse_file, json.dumps(value, indent=2) + "\n")
    step.result = ", ".join(host.name for host in found.hosts)


def plan(environment: Environment, asked: Asked, step: Step) -> Report:
    """What a run would change; nothing is changed."""
    done = _run(environment, asked, check=True, on_task=step.update)
    changes = playbook.changes(done, environment.name)
    step.result = f"{len(changes)} changes"
    return Report(
        environment=environment.name,
        changes=tuple(changes),
        unchanged={Half.SITE: playbook.unchanged(done)},
        compared_with="the hosts",
    )


def run(environment: Environment, asked: Asked, step: Step) -> playbook.Run:
    """Run a playbook; `step.result` says how much changed.

    Raises:
        Unreachable: a host does not answer.
        CommandFailed: a task failed.
    """
    if asked.playbook == "site":
        variables.check(environment)
    done = _run(environment, asked, check=False, on_task=step.update)
    step.result = in_words(done)
    if asked.serves_whole and (followed := aliases.follow(environment)):
        step.result += f"; {followed}"
    return done


def in_words(*runs: playbook.Run) -> str:
    """How much runs have changed."""
    tasks = sum(words.get("ok", 0) for run in runs for words in run.counts.values())
    return f"{sum(run.changed for run in runs)} of {tasks} tasks changed something"


def prepare(environment: Environment, cancelled: Callable[[], bool]) -> playbook.Run:
    """Run what of `site.yml` needs no engine, beside other work; `cancelled` ends it.

    Raises:
        Unreachable: a host does not answer.
        CommandFailed: a task failed.
    """
    return _run(environment, Asked(tags=OF_THE_HOST), check=False, cancelled=cancelled)


def _run(
    environment: Environment,
    asked: Asked,
    *,
    check: bool,
    on_task: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> playbook.Run:
    return playbook.run(
        environment,
        f"{asked.playbook}.yml",
        check=check,
        tolerate=check,
        limit=asked.limit,
        tags=asked.tags,
        skip_tags=asked.skip_tags,
        variables=asked.values,
        on_task=on_task,
        cancelled=cancelled,
    )
