"""The site half: the rack of a rehearsal, and the playbook that configures hosts."""

from __future__ import annotations

import json

from landfall import files, playbook
from landfall.cli.console import Step
from landfall.cli.flow import rack
from landfall.model import variables
from landfall.model.environment import Environment, cache_folder
from rehearsal import setup


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


def configure(environment: Environment, step: Step, *, limit: str = "") -> playbook.Run:
    """Run the site's playbook; `step.result` says how much changed.

    Raises:
        Unreachable: a host does not answer.
        CommandFailed: a task failed.
    """
    variables.check(environment)
    done = playbook.run(environment, "site.yml", limit=limit, on_task=step.update)
    tasks = sum(words.get("ok", 0) for words in done.counts.values())
    step.result = f"{done.changed} of {tasks} tasks changed something"
    return done
