"""One run of a playbook, with its events and nothing left behind that could hold a secret.

ansible-runner keeps what a run was given (`env/`, `inventory/`) and hands it to the next run in
the same folder, so that an apply can silently become a dry run. Each run here gets a folder of
its own, which is deleted at the end together with the artifact that records the environment.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from landfall.errors import CommandFailed, Interrupted, LandfallError, Unreachable, UsageError
from landfall.model.environment import Environment

RESULTS = frozenset(
    {
        "runner_on_ok",
        "runner_on_failed",
        "runner_on_unreachable",
        "runner_on_skipped",
        "runner_item_on_ok",
        "runner_item_on_failed",
        "runner_item_on_skipped",
    }
)
"""The events that say how a task went on a host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """How one task (or one item of its loop) went on one host.

    `result` is what the module returned; a task with `no_log` returns only that it is censored.
    """

    event: str
    host: str
    task: str
    role: str
    action: str
    result: Mapping[str, Any]
    item: bool

    @property
    def changed(self) -> bool:
        """Whether the task changed something, or in check mode would."""
        return bool(self.result.get("changed"))

    @property
    def censored(self) -> bool:
        """Whether the task hides its result."""
        return "censored" in self.result

    @property
    def message(self) -> str:
        """What a failed task says, its error stream included."""
        parts = [str(self.result.get(key, "")).strip() for key in ("msg", "stderr", "stdout")]
        return "\n".join(dict.fromkeys(part for part in parts if part))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that has ended.

    `counts` has per host the words of Ansible's own recap: ok, changed, dark, failures, skipped.
    """

    results: tuple[TaskResult, ...]
    counts: Mapping[str, Mapping[str, int]]

    @property
    def changed(self) -> int:
        """How many tasks changed something, over all hosts."""
        return sum(host.get("changed", 0) for host in self.counts.values())


def run(
    environment: Environment,
    playbook: str,
    *,
    check: bool = False,
    tags: Sequence[str] = (),
    skip_tags: Sequence[str] = (),
    limit: str = "",
    variables: Mapping[str, object] | None = None,
    on_result: Callable[[TaskResult], None] | None = None,
    on_task: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    tolerate: bool = False,
) -> Run:
    """Run a playbook of `playbooks/` against an environment's inventory.

    Args:
        environment: whose inventory is used.
        playbook: file name below `playbooks/`.
        check: look only, change nothing (`--check --diff`).
        tags: run only what carries one of these.
        skip_tags: leave out what carries one of these.
        limit: run only on these hosts.
        variables: extra variables; they go through a file, never through argv.
        on_result: gets each task's result as it comes.
        on_task: gets the name of each task as it starts.
        cancelled: asked again and again; once it says yes, the run ends where it is. Needed only
            outside the main thread, where Ctrl-C does not arrive.
        tolerate: return the run even where hosts failed or did not answer (for previews).

    Raises:
        Unreachable: a host does not answer.
        CommandFailed: a task failed; the message names host, task and reason.
        LandfallError: nothing ran at all (no host matched, say).
    """
    events = _Events(on_result=on_result, on_task=on_task)
    with _folder() as name:
        folder = Path(name)
        words = _command_line(check=check, tags=tags, skip_tags=skip_tags)
        command = " ".join([*words, *_given(folder, variables)])
        status = _start(environment, playbook, folder, events, cancelled, command, limit)
    if status == "canceled":
        raise Interrupted("the playbook was interrupted")
    if not events.counts:
        raise LandfallError(f"{playbook} ran on no host\n" + "\n".join(events.stray[-15:]))
    ended = Run(results=tuple(events.results), counts=events.counts)
    if not tolerate:
        _raise_failures(ended)
    return ended


@dataclass(kw_only=True)
class _Events:
    """Takes the runner's events, keeps the results of tasks and passes them on."""

    on_result: Callable[[TaskResult], None] | None
    on_task: Callable[[str], None] | None
    results: list[TaskResult] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def __call__(self, event: dict[str, Any]) -> bool:
        """Take one event; False tells the runner to keep no file of it."""
        kind, data = event["event"], event.get("event_data") or {}
        if kind == "playbook_on_task_start" and self.on_task is not None:
            self.on_task(_task_name(data))
        elif kind in RESULTS:
            self.results.append(_result(kind, data))
            if self.on_result is not None:
                self.on_result(self.results[-1])
        elif kind == "playbook_on_stats":
            self.counts = _by_host(data)
        elif kind in {"verbose", "error"} and event.get("stdout"):
            self.stray.append(event["stdout"])
        return False


def _start(
    environment: Environment,
    playbook: str,
    folder: Path,
    handle: Callable[[dict[str, Any]], bool],
    cancelled: Callable[[], bool] | None,
    command: str,
    limit: str,
) -> str:
    if not (environment.root / "playbooks" / playbook).is_file():
        raise UsageError(f"playbooks/{playbook} does not exist")
    with _handlers_kept():
        runner = ansible_runner.run(
            private_data_dir=str(folder),
            project_dir=str(environment.root),
            playbook=f"playbooks/{playbook}",
            inventory=str(environment.inventory),
            cmdline=command or None,
            limit=limit or None,
            envvars={
                "ANSIBLE_CONFIG": str(environment.root / "ansible.cfg"),
                "ANSIBLE_FORCE_COLOR": "false",
                "ANSIBLE_NOCOLOR": "true",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            event_handler=handle,
            cancel_callback=cancelled,
            quiet=True,
            # No limit on silence: a rebuild, a stress test, an engine's build or a server's start
            # prints nothing for long. A dead connection is ended by ssh (ServerAliveInterval).
            settings={"suppress_output_file": True, "idle_timeout": None, "job_timeout": None},
        )
    return str(runner.status)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Undo what the runner does to this process: it takes SIGINT and SIGTERM and keeps them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


RECAP = ("ok", "changed", "dark", "failures", "skipped", "rescued", "ignored")
"""The words of Ansible's recap; `dark` means that the host did not answer."""


def _by_host(data: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    hosts = sorted({host for word in RECAP for host in data.get(word) or {}})
    return {host: {word: (data.get(word) or {}).get(host, 0) for word in RECAP} for host in hosts}


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A private folder for one run, in memory where there is such a place, always deleted."""
    memory = Path("/dev/shm")  # noqa: S108  so that nothing of a run reaches a disk
    where = memory if os.access(memory, os.W_OK) else None
    return tempfile.TemporaryDirectory(
        prefix="landfall-run-", dir=where, ignore_cleanup_errors=True
    )


def _command_line(*, check: bool, tags: Sequence[str], skip_tags: Sequence[str]) -> list[str]:
    words = ["--check", "--diff"] if check else ["--diff"]
    for option, names in (("--tags", tags), ("--skip-tags", skip_tags)):
        if names:
            words += [option, ",".join(names)]
    return words


def _given(folder: Path, variables: Mapping[str, object] | None) -> list[str]:
    if not variables:
        return []
    path = folder / "variables.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(variables))
    return ["--extra-vars", f"@{path}"]


def _result(kind: str, data: Mapping[str, Any]) -> TaskResult:
    return TaskResult(
        event=kind,
        host=str(data.get("host", "")),
        task=_task_name(data),
        role=str(data.get("role", "")),
        action=str(data.get("resolved_action") or data.get("task_action") or ""),
        result=data.get("res") or {},
        item=kind.startswith("runner_item"),
    )


def _task_name(data: Mapping[str, Any]) -> str:
    name = str(data.get("task") or data.get("name") or "")
    role = str(data.get("role", ""))
    return name if not role or name.startswith(f"{role} : ") else f"{role} : {name}"


def _raise_failures(ended: Run) -> None:
    lost = [host for host, words in ended.counts.items() if words.get("dark")]
    if lost:
        reasons = [each.message for each in ended.results if each.event == "runner_on_unreachable"]
        raise Unreachable(
            f"{', '.join(lost)} did not answer\n" + "\n".join(dict.fromkeys(reasons)),
            hint="landfall status shows what runs; landfall up boots the rehearsal's hosts",
        )
    # Of a loop the items say what went wrong; its summary says that something did.
    failed = [
        each
        for each in ended.results
        if each.event in {"runner_on_failed", "runner_item_on_failed"}
        and not each.result.get("ignore_errors")
        and not ("results" in each.result and not each.item)
    ]
    if any(words.get("failures") for words in ended.counts.values()):
        lines = [f"{each.host}: {each.task}\n{each.message}" for each in failed]
        raise CommandFailed("\n".join(lines) or "a task failed")
