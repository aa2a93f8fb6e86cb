"""The words and signs that every writer shares."""

from __future__ import annotations

from landfall.model.change import Change, Half, Kind, Report, Severity, count

SIGN: dict[Kind, str] = {
    Kind.CREATE: "+",
    Kind.UPDATE: "~",
    Kind.REPLACE: "±",
    Kind.DELETE: "-",
    Kind.READ: "=",
    Kind.UNKNOWN: "?",
}

TITLE: dict[Half, str] = {
    Half.CLOUD: "cloud (Pulumi)",
    Half.SITE: "site (Ansible)",
    Half.ENGINES: "engines",
}


def headline(report: Report) -> str:
    """One sentence: the worst thing first."""
    counted = count(report.changes)
    parts = []
    if report.policy_failures:
        parts.append(f"{len(report.policy_failures)} policy failures")
    destructive = sum(each.severity is Severity.DESTRUCTIVE for each in report.changes)
    if destructive:
        parts.append(f"{destructive} destructive")
    if counted[Kind.UNKNOWN]:
        parts.append(f"{counted[Kind.UNKNOWN]} cannot be previewed")
    rest = len(report.changes) - destructive - counted[Kind.UNKNOWN]
    if rest:
        other = "other " if parts else ""
        parts.append(f"{rest} {other}{'change' if rest == 1 else 'changes'}")
    return ", ".join(parts) if parts else "no changes"


def money(usd: float | None) -> str:
    """A difference a month in words, "" where there is none or it is not known."""
    return f"{usd:+,.2f} USD a month" if usd is not None and round(usd, 2) else ""


def of_half(report: Report, half: Half) -> list[Change]:
    """The changes of one half, in the report's order."""
    return [each for each in report.changes if each.half is half]
