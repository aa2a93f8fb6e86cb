"""Previewing and applying a stack through the Automation API, with its own or an offline cloud."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from pulumi import automation as auto

from landfall.errors import (
    Busy,
    CommandFailed,
    InvalidInput,
    LandfallError,
    PolicyViolation,
    Problem,
    Refused,
)
from landfall.model.environment import Environment
from stacks import state
from stacks.account import Cloud
from stacks.changes import Collector, certain
from stacks.memory import fewer_collections
from stacks.offline import OfflineCloud, doubts, mark
from stacks.policy import settings as limits
from stacks.policy.changes import forbidden
from stacks.policy.rules import rules
from stacks.program import deploy
from stacks.registry import missing
from stacks.settings import Inputs, Settings, check_file, kubernetes_of
from stacks.toolchain import QUIET, Toolchain, policy_starter

PROJECT = "landfall"

POLICIES = Path(limits.__file__).parent
"""The policy pack that every preview and `up` runs."""

REHEARSAL_PASSPHRASE = "rehearsal"  # noqa: S105
"""Public on purpose: see Pulumi.dev.yaml. Offline state holds nobody's secret."""

Listener = Callable[[auto.EngineEvent], None]


@dataclass(frozen=True, kw_only=True)
class Session:
    """One environment's stack, with the cloud, the state and the command that serve it.

    Attributes:
        environment: whose stack it is.
        cloud: the provider in use.
        backend: the URL of the state, or "" for the project's own.
        toolchain: the Pulumi command.
        variables: what the command's environment has besides.
        policies: the policy pack that preview and `up` run, or None for none.
    """

    environment: Environment
    cloud: Cloud
    backend: str
    toolchain: Toolchain
    variables: Mapping[str, str] = field(default_factory=dict)
    policies: Path | None = POLICIES

    def engine_environment(self) -> dict[str, str]:
        """The variables with which the engine is started."""
        found = {**QUIET, **self.variables}
        if self.backend:
            found["PULUMI_BACKEND_URL"] = self.backend
        if self.cloud.provider == "offline":
            found["PULUMI_CONFIG_PASSPHRASE"] = REHEARSAL_PASSPHRASE
        if self.toolchain.language_host is not None:
            starter = policy_starter(self.toolchain.language_host.parent)
            found["PATH"] = f"{starter}:{found.get('PATH', os.environ.get('PATH', ''))}"
            found["LANDFALL_PYTHON"] = sys.executable
        return found

    @property
    def policy_packs(self) -> list[str] | None:
        """The packs as the Automation API takes them."""
        return [str(self.policies)] if self.policies is not None else None


@contextmanager
def offline(
    environment: Environment, tools: Toolchain, folder: Path, *, policies: Path | None = POLICIES
) -> Iterator[Session]:
    """A stack with the offline cloud behind it and its state in `folder`, which is marked so."""
    folder.mkdir(parents=True, exist_ok=True)
    mark(folder)
    with OfflineCloud(root=environment.root, kubernetes=kubernetes_of(environment)) as cloud:
        yield Session(
            environment=environment,
            cloud=Cloud(provider="offline"),
            backend=state.local(folder),
            toolchain=tools,
            variables=cloud.environment,
            policies=policies,
        )


def offline_backend(environment: Environment) -> Path:
    """The folder of a rehearsal's state; no real account's state is ever in it."""
    return environment.leavings / "offline-state"


def preview(session: Session, *, on_event: Listener | None = None) -> Collector:
    """What an `up` would change now, with what policies forbid in it.

    Raises:
        CommandFailed: the engine or the program failed; the message has its diagnostics.
        InvalidInput: the configuration, or the environment's policy file, is wrong.
    """
    settings = check(session).settings
    allowed = _limits(session)
    packs = session.policy_packs
    try:
        _, collector = _run(
            session,
            lambda stack, listen: stack.preview(on_event=listen, policy_packs=packs),
            on_event,
        )
    except _Forbidden as error:
        collector = error.collector
    collector.price(settings.training.hours_per_month)
    if allowed is not None:
        collector.policy_failures += forbidden(collector.changes, allowed)
    return collector


def _limits(session: Session) -> limits.PolicySettings | None:
    """What the session's policy pack allows in its environment, where it has one."""
    if session.policies is None:
        return None
    known = frozenset(rule.name for rule in rules())
    return limits.load(session.environment.name, session.policies / "environments", known)


def up(session: Session, *, on_event: Listener | None = None) -> dict[str, object]:
    """Bring the stack up and return its outputs (a secret one as "[secret]").

    Where there are policies, a preview comes first, so that nothing is made of a plan that one
    of them forbids. What is known only during the `up` is decided before the resource is made.

    Raises:
        Busy: another run holds the state.
        CommandFailed: the engine or the program failed; the state says what was done.
        PolicyViolation: with all that is forbidden.
    """
    check(session)
    packs = session.policy_packs
    with _only_one(session):
        if packs and (failures := preview(session).policy_failures):
            raise violation(failures, "nothing was done")
        _tag(session)
        try:
            done, _ = _run(
                session,
                lambda stack, listen: stack.up(on_event=listen, policy_packs=packs),
                on_event,
            )
        except _Forbidden as error:
            raise violation(
                error.collector.policy_failures, "what was made before that stays"
            ) from error
    return _plain(done.outputs)


def check(session: Session) -> Inputs:
    """Look at the configuration, the site and the stacks that are referred to, without an engine.

    Raises:
        InvalidInput: with all that is wrong; no engine was started.
    """
    environment = session.environment

    def references(settings: Settings) -> Iterator[Problem]:
        if settings.registry and settings.registry.environment:
            yield from missing(settings.registry, stack_names(session))

    return check_file(environment, partial(session.cloud.problems, environment), references)


def stack_names(session: Session) -> list[str]:
    """The names of the stacks that the session's state has."""
    if folder := state.folder_of(session.backend):
        stacks = folder / ".pulumi/stacks" / PROJECT
        return sorted(path.stem for path in stacks.glob("*.json"))
    workspace = auto.LocalWorkspace(**vars(workspace_options(session)))
    return sorted(each.name.rpartition("/")[2] for each in workspace.list_stacks())


def _tag(session: Session) -> None:
    """Say on the stack itself whose it is, and which kind of provider makes it."""
    tags = {
        "landfall:environment": session.environment.name,
        "landfall:provider": session.cloud.provider,
    }

    def tag(stack: auto.Stack, _: Listener) -> None:
        for name in tags.items() - stack.list_tags().items():
            stack.set_tag(*name)

    _run(session, tag)


def violation(failures: list[str], outcome: str) -> PolicyViolation:
    """The error for a plan that policies forbid, with every failure."""
    lines = "\n".join(f"  {line}" for line in failures)
    found = "1 policy failure" if len(failures) == 1 else f"{len(failures)} policy failures"
    return PolicyViolation(f"{found}; {outcome}\n{lines}", hint="docs/policy.md names each rule")


def destroy(session: Session, *, on_event: Listener | None = None) -> None:
    """Destroy everything in the stack; the stack itself and its configuration stay.

    Raises:
        Busy: another run holds the state.
        CommandFailed: the engine failed.
        Refused: something is protected, and is named; nothing was destroyed.
    """
    with _only_one(session):
        if kept := protected(session):
            lines = "\n".join(f"  {name}" for name in kept)
            raise Refused(
                f"{session.environment.name} keeps {len(kept)} protected resources, so nothing was "
                f"destroyed\n{lines}",
                hint="what may go is freed by name: pulumi state unprotect URN",
            )
        _run(session, lambda stack, listen: stack.destroy(on_event=listen), on_event)


def protected(session: Session) -> list[str]:
    """Type and name of every resource of the stack that the engine may not delete."""
    resources = export(session).get("resources") or []
    return sorted(
        f"{each['type']} {each['urn'].rpartition('::')[2]}"
        for each in resources
        if each.get("protect")
    )


def export(session: Session) -> Mapping[str, Any]:
    """The engine's state of the stack, with secrets in their encrypted form."""
    exported, _ = _run(session, lambda stack, _: stack.export_stack())
    return exported.deployment or {}


def outputs(session: Session) -> dict[str, object]:
    """The outputs of the last `up`."""
    found, _ = _run(session, lambda stack, _: stack.outputs())
    return _plain(found)


class _Forbidden(Exception):
    """The engine ended because of policies alone."""

    def __init__(self, collector: Collector) -> None:
        super().__init__()
        self.collector = collector


def make_stack(session: Session, name: str) -> None:
    """Make the empty stack `name` in the session's state, if it is not there."""
    _workspace_stack(session, name, lambda: None)


def _run(
    session: Session, act: Callable[[auto.Stack, Listener], Any], on_event: Listener | None = None
) -> tuple[Any, Collector]:
    """Let `act` work on the stack, and keep what the engine says meanwhile."""
    problems: list[InvalidInput] = []
    rehearsed = session.cloud.provider == "offline"
    collector = Collector(session.environment.name, doubts if rehearsed else certain)

    def listen(event: auto.EngineEvent) -> None:
        collector(event)
        if on_event is not None:
            on_event(event)

    def program() -> None:
        try:
            deploy(session.environment, session.cloud)
        except InvalidInput as error:
            problems.append(error)
            raise

    try:
        stack = _workspace_stack(session, session.environment.name, program)
        with fewer_collections():
            return act(stack, listen), collector
    except auto.errors.CommandError as error:
        if problems:
            raise problems[0] from error
        if collector.policy_failures and not collector.faulty:
            raise _Forbidden(collector) from error
        raise _failed(error, collector) from error


def _workspace_stack(session: Session, name: str, program: Callable[[], None]) -> auto.Stack:
    return auto.create_or_select_stack(
        stack_name=name,
        project_name=PROJECT,
        program=program,
        opts=workspace_options(session),
    )


def workspace_options(session: Session) -> auto.LocalWorkspaceOptions:
    """With what the Automation API works on the session's stacks."""
    return auto.LocalWorkspaceOptions(
        work_dir=str(session.environment.root),
        env_vars=session.engine_environment(),
        pulumi_command=auto.PulumiCommand(root=str(session.toolchain.pulumi.parent.parent)),
    )


def _failed(error: Exception, collector: Collector) -> LandfallError:
    found = list(dict.fromkeys(collector.errors))
    text = str(error)
    if "currently locked" in text:
        return Busy("the stack is locked by another run", hint="wait for it, or `pulumi cancel`")
    if not found:
        return CommandFailed(f"the Pulumi engine failed\n{text.strip()}")
    return CommandFailed("the Pulumi engine failed", output=text, hint="\n".join(found))


@contextmanager
def _only_one(session: Session) -> Iterator[None]:
    """Keep a second `up` away, and clear the lock of one that was killed."""
    path = state.folder_of(session.backend) or session.environment.work
    path = path / f"landfall-{session.environment.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        with lock:
            if folder := state.folder_of(session.backend):
                clear_dead_locks(folder)
            yield
    except Timeout as error:
        raise Busy(
            f"another run is changing the cloud half of {session.environment.name}",
            hint="wait for it to end; the lock goes with its process",
        ) from error


def clear_dead_locks(backend: Path) -> int:
    """Remove the engine's locks in a local state folder whose processes have ended."""
    removed = 0
    for path in backend.glob(".pulumi/locks/**/*.json"):
        try:
            written = json.loads(path.read_text())
        except ValueError:
            continue
        same_host = written.get("hostname") == os.uname().nodename
        if same_host and not _runs(int(written.get("pid", 0))):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _runs(pid: int) -> bool:
    """Whether a Pulumi command has this process id; one that ended and was not reaped does not."""
    try:
        found = psutil.Process(pid)
        return found.status() != psutil.STATUS_ZOMBIE and "pulumi" in found.name()
    except psutil.NoSuchProcess:
        return False


def _plain(found: Mapping[str, auto.OutputValue]) -> dict[str, object]:
    return {name: "[secret]" if each.secret else each.value for name, each in found.items()}
