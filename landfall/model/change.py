"""One thing that an apply would do, whichever half it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Half(StrEnum):
    """Which part of Landfall a change belongs to."""

    CLOUD = "cloud"
    SITE = "site"
    ENGINES = "engines"


class Kind(StrEnum):
    """What happens to the target. What stays the same is counted, not listed."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ = "read"
    UNKNOWN = "unknown"


class Severity(IntEnum):
    """How much a reviewer should care; the worst comes first in a report."""

    LOW = 1
    NORMAL = 2
    UNKNOWN = 3
    DESTRUCTIVE = 4
    BLOCKED = 5


class ExitCode(IntEnum):
    """What preview and refused applies end with; the highest that holds wins."""

    NOTHING = 0
    FAILED = 1
    USAGE = 2
    CHANGES = 10
    DESTRUCTIVE = 11
    POLICY = 12
    UNKNOWN = 13
    STALE = 14


SEVERITY_OF: dict[Kind, Severity] = {
    Kind.READ: Severity.LOW,
    Kind.CREATE: Severity.NORMAL,
    Kind.UPDATE: Severity.NORMAL,
    Kind.UNKNOWN: Severity.UNKNOWN,
    Kind.REPLACE: Severity.DESTRUCTIVE,
    Kind.DELETE: Severity.DESTRUCTIVE,
}
"""The severity of a kind where its source knows nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One property of a change, as text. A secret never gets here: its value is `[secret]`."""

    path: str
    before: str = ""
    after: str = ""
    replaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that an apply would do.

    Attributes:
        id: stable between runs; it names the target, never a moment.
        environment: dev, staging or prod.
        half: which part of Landfall it belongs to.
        target: the resource, the host and task, or the engine.
        kind: what happens to the target.
        severity: how much a reviewer should care.
        summary: one line.
        reasons: why it happens, one line each.
        details: the properties that differ.
        diff: unified text, for files.
        cost: difference in US dollars per month, or None where it is not known.
    """

    id: str
    environment: str
    half: Half
    target: str
    kind: Kind
    severity: Severity
    summary: str
    reasons: tuple[str, ...] = ()
    details: tuple[Detail, ...] = ()
    diff: str = ""
    cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All changes of one environment, with what was compared and what stayed the same.

    Attributes:
        environment: dev, staging or prod.
        compared_with: in words, e.g. "the state of the rehearsal" or "commit 1a2b3c4".
        changes: in any order; writers sort them.
        unchanged: per half, how many things stay the same.
        notes: sentences that a reader must see (which provider is in use, what was skipped).
        policy_failures: one line for each policy that forbids the change.
    """

    environment: str
    compared_with: str
    changes: tuple[Change, ...]
    unchanged: dict[Half, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    policy_failures: tuple[str, ...] = ()


def exit_code(report: Report) -> ExitCode:
    """The code a preview of `report` ends with: the highest that holds."""
    codes = [ExitCode.NOTHING, *(_code(change) for change in report.changes)]
    if report.policy_failures:
        codes.append(ExitCode.POLICY)
    return max(codes)


def count(changes: Iterable[Change]) -> dict[Kind, int]:
    """How many changes there are of each kind, in the order of `Kind`."""
    found = list(changes)
    return {kind: sum(change.kind is kind for change in found) for kind in Kind}


def _code(change: Change) -> ExitCode:
    if change.kind is Kind.READ:
        return ExitCode.NOTHING
    if change.kind is Kind.UNKNOWN:
        return ExitCode.UNKNOWN
    # A replacement that keeps what it replaces destroys nothing; its source says so.
    destructive = change.severity >= Severity.DESTRUCTIVE
    return ExitCode.DESTRUCTIVE if destructive else ExitCode.CHANGES
