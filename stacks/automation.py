"""Previewing and applying a stack through the Automation API, with its own or an offline cloud."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from pulumi import automation as auto

from landfall.errors import Busy, CommandFailed, InvalidInput, LandfallError
from landfall.model.environment import Environment
from stacks.account import Cloud
from stacks.changes import Collector
from stacks.offline import OfflineCloud, mark
from stacks.program import deploy
from stacks.toolchain import QUIET, Toolchain

PROJECT = "landfall"

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
    """

    environment: Environment
    cloud: Cloud
    backend: str
    toolchain: Toolchain
    variables: Mapping[str, str] = field(default_factory=dict)

    def engine_environment(self) -> dict[str, str]:
        """The variables with which the engine is started."""
        found = {**QUIET, **self.variables}
        if self.backend:
            found["PULUMI_BACKEND_URL"] = self.backend
        if self.cloud.provider == "offline":
            found["PULUMI_CONFIG_PASSPHRASE"] = REHEARSAL_PASSPHRASE
        return found


@contextmanager
def offline(environment: Environment, tools: Toolchain, folder: Path) -> Iterator[Session]:
    """A stack with the offline cloud behind it and its state in `folder`, which is marked so."""
    folder.mkdir(parents=True, exist_ok=True)
    mark(folder)
    with OfflineCloud() as cloud:
        yield Session(
            environment=environment,
            cloud=Cloud(provider="offline"),
            backend=f"file://{folder.resolve()}",
            toolchain=tools,
            variables=cloud.environment,
        )


def offline_backend(environment: Environment) -> Path:
    """The folder of a rehearsal's state; no real account's state is ever in it."""
    return environment.leavings / "offline-state"


def preview(session: Session, *, on_event: Listener | None = None) -> Collector:
    """What an `up` would change now.

    Raises:
        CommandFailed: the engine or the program failed; the message has its diagnostics.
        InvalidInput: the configuration is wrong; nothing was asked of the engine.
    """
    _, collector = _run(session, lambda stack, listen: stack.preview(on_event=listen), on_event)
    return collector


def up(session: Session, *, on_event: Listener | None = None) -> dict[str, object]:
    """Bring the stack up and return its outputs (a secret one as "[secret]").

    Raises:
        Busy: another run holds the state.
        CommandFailed: the engine or the program failed; the state says what was done.
    """
    with _only_one(session):
        done, _ = _run(session, lambda stack, listen: stack.up(on_event=listen), on_event)
    return _plain(done.outputs)


def destroy(session: Session, *, on_event: Listener | None = None) -> None:
    """Destroy everything in the stack; the stack itself and its configuration stay.

    Raises:
        Busy: another run holds the state.
        CommandFailed: the engine failed, or a resource is protected.
    """
    with _only_one(session):
        _run(session, lambda stack, listen: stack.destroy(on_event=listen), on_event)


def outputs(session: Session) -> dict[str, object]:
    """The outputs of the last `up`."""
    found, _ = _run(session, lambda stack, _: stack.outputs())
    return _plain(found)


def make_stack(session: Session, name: str) -> None:
    """Make the empty stack `name` in the session's state, if it is not there."""
    _workspace_stack(session, name, lambda: None)


def _run(
    session: Session, act: Callable[[auto.Stack, Listener], Any], on_event: Listener | None = None
) -> tuple[Any, Collector]:
    """Let `act` work on the stack, and keep what the engine says meanwhile."""
    problems: list[InvalidInput] = []
    collector = Collector(session.environment.name)

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
        return act(stack, listen), collector
    except auto.errors.CommandError as error:
        if problems:
            raise problems[0] from error
        raise _failed(error, collector) from error


def _workspace_stack(session: Session, name: str, program: Callable[[], None]) -> auto.Stack:
    options = auto.LocalWorkspaceOptions(
        work_dir=str(session.environment.root),
        env_vars=session.engine_environment(),
        pulumi_command=auto.PulumiCommand(root=str(session.toolchain.pulumi.parent.parent)),
    )
    return auto.create_or_select_stack(
        stack_name=name,
        project_name=PROJECT,
        program=program,
        opts=options,
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
    path = session.environment.work / "cloud.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        with lock:
            if session.backend.startswith("file://"):
                clear_dead_locks(Path(session.backend.removeprefix("file://")))
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
