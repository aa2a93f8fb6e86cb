"""The cloud half, with its real provider or the offline one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from landfall import handoff
from landfall.cli.console import Step
from landfall.model.environment import Environment, cache_folder, names
from stacks import automation, toolchain
from stacks.account import Cloud
from stacks.changes import operation


@contextmanager
def session(
    environment: Environment,
    *,
    offline: bool,
    on_progress: Callable[[str], None],
    backend: Path | None = None,
) -> Iterator[automation.Session]:
    """A stack ready to preview or apply, with the offline cloud started where it is asked for.

    Args:
        environment: whose stack.
        offline: against the rehearsal's cloud and state instead of an account.
        on_progress: told what is being got, where the Pulumi command is not there yet.
        backend: another folder for offline state (a throw-away one, say).
    """
    tools = toolchain.ensure(cache_folder(), on_progress=on_progress)
    if not offline:
        url = os.environ.get("PULUMI_BACKEND_URL", "")
        found = automation.Session(
            environment=environment, cloud=Cloud(provider="aws"), backend=url, toolchain=tools
        )
        found.cloud.refuse_foreign_state()
        yield found
        return
    folder = backend or automation.offline_backend(environment)
    with automation.offline(environment, tools, folder) as current:
        yield current


def bring_up(environment: Environment, *, offline: bool, step: Step) -> handoff.Handoff:
    """Bring the cloud half up and keep what it tells the site."""
    with session(environment, offline=offline, on_progress=step.update) as current:
        counted = Counted(step)
        outputs = automation.up(current, on_event=counted)
    told = handoff.parse(outputs)
    handoff.save(told, environment.handoff_file)
    step.result = f"{counted.summary}; provider {told.provider}"
    return told


def take_down(environment: Environment, *, offline: bool, step: Step) -> None:
    """Destroy the cloud half, if nothing in it is protected."""
    with session(environment, offline=offline, on_progress=step.update) as current:
        counted = Counted(step)
        automation.destroy(current, on_event=counted)
    environment.handoff_file.unlink(missing_ok=True)
    step.result = f"{counted.changed} resources destroyed"


class Counted:
    """Shows each resource as the engine gets to it, and counts what it did."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.changed = 0
        self.same = 0

    def __call__(self, event: object) -> None:
        """Take one engine event."""
        pre = getattr(event, "resource_pre_event", None)
        if pre is None:
            return
        done = operation(pre.metadata)
        if done == "same":
            self.same += 1
        else:
            self.changed += 1
            self.step.update(f"{done} {pre.metadata.urn.rpartition('::')[2]}")

    @property
    def summary(self) -> str:
        """How much changed."""
        return f"{self.changed} resources changed, {self.same} unchanged"


def shell_environment(current: automation.Session) -> dict[str, str]:
    """The variables with which a plain `pulumi` works on the same stack, cloud and state."""
    python = str(Path(sys.executable).parent)
    path = current.toolchain.path(f"{python}:{os.environ.get('PATH', '')}")
    return {**current.engine_environment(), "PATH": f"{python}:{path}"}


def make_stacks(current: automation.Session) -> None:
    """Make the stack of every environment in the offline state, so that `-s` finds it."""
    made = automation.stack_names(current)
    for name in names(current.environment.root):
        if name not in made:
            automation.make_stack(current, name)
