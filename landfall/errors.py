"""Every error that Landfall raises on purpose.

```
LandfallError                 1  something failed; the message says what and where
├── InvalidInput              2  what a person wrote is wrong; carries every problem found
├── UsageError                2  the command line asks for something that makes no sense
├── MissingTool               1  this machine lacks a program or a right
├── CommandFailed             1  another program ended with an error
├── Busy                      1  somebody else holds the lock, the port or the host
├── Unreachable               1  a host or a service does not answer
├── Refused                   1  a check said no, so nothing was done
│   ├── IntegrityError        1  bytes are not what was signed or recorded
│   ├── GateFailed            1  an engine missed its quality or speed bound
│   ├── PolicyViolation      12  a policy forbids the change
│   └── StaleApproval        14  what was approved is not what would happen now
└── Interrupted             130  Ctrl-C or SIGTERM; what was begun has been ended
```

The class knows its exit code; `landfall.cli.main` has the one handler. Preview and refused
applies also end with the codes in `landfall.model.change.ExitCode`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class LandfallError(Exception):
    """Something failed. `hint` is the next step for the reader, where there is one."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input: where, what, and what would be right."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidInput(LandfallError):
    """What a person wrote is wrong. Carries all problems of `source`, not only the first."""

    exit_code = 2

    def __init__(self, source: str, problems: Iterable[Problem], *, hint: str = "") -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = [f"{source}: {_count(len(self.problems), 'problem')}"]
        lines += [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join(lines), hint=hint)


class UsageError(LandfallError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class MissingTool(LandfallError):
    """This machine lacks a program or a right that the work needs."""


class CommandFailed(LandfallError):
    """Another program ended with an error."""

    def __init__(self, message: str, *, returncode: int = 1, output: str = "", hint: str = ""):
        super().__init__(message, hint=hint)
        self.returncode = returncode
        self.output = output


class Busy(LandfallError):
    """Somebody else holds the lock, the port or the host."""


class Unreachable(LandfallError):
    """A host or a service does not answer."""


class Refused(LandfallError):
    """A check said no, so nothing was done."""


class IntegrityError(Refused):
    """Bytes are not what was signed or recorded."""


class GateFailed(Refused):
    """An engine missed its quality or speed bound."""


class PolicyViolation(Refused):
    """A policy forbids the change."""

    exit_code = 12


class StaleApproval(Refused):
    """What was approved is not what would happen now."""

    exit_code = 14


class Interrupted(LandfallError):
    """Ctrl-C or SIGTERM. What was begun has been ended."""

    exit_code = 130


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
