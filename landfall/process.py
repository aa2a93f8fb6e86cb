"""The only module that starts other programs.

`run` waits for one, `spawn` leaves one running and records it in a `Daemon` that can be found
again and stopped. A daemon is known by its process id *and* its start time, so a recycled id is
never signalled.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from landfall import files
from landfall.errors import CommandFailed, MissingTool

STOP_GRACE_S = 10.0
"""How long a program may take to end after SIGTERM before it is killed."""

ORPHAN_GRACE_S = 2.0
"""How long children get that a program left behind when it ended."""

TAIL_LINES = 15
"""Lines of output that an error message quotes."""

INTERRUPTED_CODE = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that has ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def which(program: str, *, hint: str = "", path: str | None = None) -> Path:
    """Where `program` is on PATH.

    Raises:
        MissingTool: it is not there; `hint` says how to get it.
    """
    found = shutil.which(program, path=path)
    if found is None:
        raise MissingTool(f"{program} is not installed (looked on PATH)", hint=hint)
    return Path(found)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    timeout_s: float | None = None,
    check: bool = True,
    what: str = "",
) -> Completed:
    """Run a program to its end and capture its output.

    `env` is added to this process's environment. Never put a secret into `argv` or `env` that
    another user could read: hand it over on `stdin`.

    Raises:
        MissingTool: the program does not exist.
        CommandFailed: it ended with an error (only with `check`), or outlived `timeout_s`.
    """
    words = tuple(str(word) for word in argv)
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError as error:
        raise MissingTool(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{what or words[0]}: no end after {timeout_s:.0f} s") from error
    completed = Completed(
        argv=words, returncode=done.returncode, stdout=done.stdout, stderr=done.stderr
    )
    if check and done.returncode != 0:
        raise _failed(completed, what)
    return completed


def stream(
    argv: Sequence[str | Path],
    *,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    what: str = "",
) -> Completed:
    """Run a program and hand over each line of its output (both streams) as it comes.

    Raises:
        MissingTool: the program does not exist.
        CommandFailed: it ended with an error (only with `check`).
    """
    words = tuple(str(word) for word in argv)
    lines: list[str] = []
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise MissingTool(f"{words[0]} is not installed") from error
    try:
        assert child.stdout is not None  # PIPE was asked for
        for line in child.stdout:
            lines.append(line)
            on_line(line.rstrip("\n"))
        code = child.wait()
    except BaseException:
        _end(psutil.Process(child.pid)) if child.poll() is None else None
        raise
    completed = Completed(argv=words, returncode=code, stdout="".join(lines), stderr="")
    if check and code != 0:
        raise _failed(completed, what)
    return completed


def attach(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a program on this terminal and return its exit code.

    Ctrl-C reaches the program by itself (same process group); we wait for it to end in its own
    way, so that it can clean up.

    Raises:
        MissingTool: the program does not exist.
    """
    words = tuple(str(word) for word in argv)
    try:
        child = subprocess.Popen(words, cwd=cwd, env=None if env is None else {**os.environ, **env})
    except FileNotFoundError as error:
        raise MissingTool(f"{words[0]} is not installed") from error
    while True:
        try:
            code = child.wait()
            return INTERRUPTED_CODE if code == -signal.SIGINT else code
        except KeyboardInterrupt:
            continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A program that runs on in the background, recorded in a file."""

    name: str
    pid: int
    started: float
    log: str

    def alive(self) -> bool:
        """Whether this very program still runs (not another with the same process id)."""
        return _same(self) is not None

    def stop(self, *, grace_s: float = STOP_GRACE_S) -> None:
        """End the program and its children; kill what is left after `grace_s`. Safe twice."""
        found = _same(self)
        if found is not None:
            _end(found, grace_s=grace_s)

    def tail(self, lines: int = TAIL_LINES) -> str:
        """The end of its log."""
        path = Path(self.log)
        return (
            "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            if (path.exists())
            else ""
        )


def spawn(
    argv: Sequence[str | Path],
    *,
    name: str,
    record: Path,
    log: Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Daemon:
    """Start a program in a session of its own and record it in the file `record`.

    Raises:
        MissingTool: the program does not exist.
    """
    words = tuple(str(word) for word in argv)
    record.parent.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        try:
            child = subprocess.Popen(
                words,
                cwd=cwd,
                env=None if env is None else {**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MissingTool(f"{words[0]} is not installed") from error
    _CHILDREN.append(child)  # so that poll() can reap it while this process lives
    try:
        started = psutil.Process(child.pid).create_time()
    except psutil.NoSuchProcess:
        started = 0.0
    daemon = Daemon(name=name, pid=child.pid, started=started, log=str(log))
    files.write(record, json.dumps(asdict(daemon)))
    return daemon


def recorded(record: Path) -> Daemon | None:
    """The daemon that `record` names, or None where there is none or it has ended."""
    try:
        daemon = Daemon(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return daemon if daemon.alive() else None


def stop(record: Path, *, grace_s: float = STOP_GRACE_S) -> bool:
    """Stop the daemon that `record` names and remove the record. True if one was running."""
    daemon = recorded(record)
    if daemon is not None:
        daemon.stop(grace_s=grace_s)
    record.unlink(missing_ok=True)
    return daemon is not None


def wait_until(ready: Callable[[], bool], *, timeout_s: float, interval_s: float = 0.1) -> bool:
    """Ask `ready` until it says yes; False when `timeout_s` has passed."""
    deadline = time.monotonic() + timeout_s
    while True:
        if ready():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)


_CHILDREN: list[subprocess.Popen[bytes]] = []


def _same(daemon: Daemon) -> psutil.Process | None:
    for child in _CHILDREN:
        child.poll()
    try:
        found = psutil.Process(daemon.pid)
        running = found.create_time() == daemon.started and (found.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return None
    return found if running else None


def _end(process: psutil.Process, *, grace_s: float = STOP_GRACE_S) -> None:
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    # Its children are its own to end; what is left of them afterwards is ended here.
    _signal(family[:1], signal.SIGTERM)
    psutil.wait_procs(family[:1], timeout=grace_s)
    left = [each for each in family if each.is_running()]
    _signal(left, signal.SIGTERM)
    _, left = psutil.wait_procs(left, timeout=min(grace_s, ORPHAN_GRACE_S))
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=grace_s)
    for child in _CHILDREN:
        child.poll()


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for each in processes:
        try:
            each.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _failed(done: Completed, what: str) -> CommandFailed:
    text = (done.stderr.strip() or done.stdout.strip()).splitlines()
    quoted = "\n".join(f"  {line}" for line in text[-TAIL_LINES:])
    name = what or Path(done.argv[0]).name
    message = f"{name} ended with code {done.returncode}"
    return CommandFailed(
        f"{message}\n{quoted}" if quoted else message,
        returncode=done.returncode,
        output=done.stdout + done.stderr,
    )
