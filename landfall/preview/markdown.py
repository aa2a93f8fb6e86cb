"""The one comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from landfall.model.change import Change, Half, Kind, Report, count
from landfall.preview.order import worst_first
from landfall.preview.wording import SIGN, TITLE, headline, money, of_half

MARKER = "<!-- landfall-preview:v1 environment={environment} -->"
"""The first line: by it, the comment of an environment is found again and kept up to date."""

LIMIT_BYTES = 60_000
"""Below every limit that GitHub has stated or shown for a comment; readable, too."""

LONGEST_DIFF_LINES = 60


def write(report: Report, *, digest: str, commit: str = "", limit: int = LIMIT_BYTES) -> str:
    """The report as GitHub Markdown, at most `limit` bytes of UTF-8.

    Where it would be longer, whole sections are left out, the least severe first, and it says so.
    The summary table and the list of what needs a look are never cut.
    """
    head = "\n".join(_head(report, digest=digest, commit=commit))
    sections = [_section(report, half) for half in Half if of_half(report, half)]
    dropped = 0
    while sections and len("\n".join([head, *sections]).encode()) > limit:
        sections.pop()
        dropped += 1
    if dropped:
        sections.append(f"\n_{dropped} sections left out: too long. The JSON report has them all._")
    return "\n".join([head, *sections]).rstrip() + "\n"


def _head(report: Report, *, digest: str, commit: str) -> Iterator[str]:
    yield MARKER.format(environment=report.environment)
    yield f"## Preview of {report.environment}: {headline(report)}"
    yield ""
    yield " · ".join(
        part
        for part in (
            f"commit `{commit[:12]}`" if commit else "",
            f"compared with {escape(report.compared_with)}",
            f"digest `{digest[:16]}`",
        )
        if part
    )
    yield ""
    yield from _table(report)
    yield ""
    for note in report.notes:
        yield f"> {escape(note)}"
    if report.policy_failures:
        yield "\n### Policies that fail\n"
        yield from (f"- {escape(line)}" for line in report.policy_failures)
    look = [
        each
        for each in worst_first(report.changes)
        if each.kind in {Kind.REPLACE, Kind.DELETE, Kind.UNKNOWN}
    ]
    if look:
        yield "\n### Look at these first\n"
        yield from (_first_look(each) for each in look)


def _table(report: Report) -> Iterator[str]:
    kinds = [kind for kind in Kind if kind is not Kind.READ]
    yield f"| | {' | '.join(f'{SIGN[kind]} {kind.value}' for kind in kinds)} | unchanged |"
    yield f"|---|{'--:|' * (len(kinds) + 1)}"
    for half in Half:
        counted = count(of_half(report, half))
        cells = [str(counted[kind]) if counted[kind] else "" for kind in kinds]
        cells.append(str(report.unchanged.get(half, "not looked at")))
        yield f"| {TITLE[half]} | {' | '.join(cells)} |"


def _first_look(change: Change) -> str:
    why = "; ".join(escape(reason) for reason in change.reasons)
    return f"- **{change.kind.value}** {code(change.target)}{f': {why}' if why else ''}"


def _section(report: Report, half: Half) -> str:
    changes = worst_first(of_half(report, half))
    lines = [
        f"\n<details{' open' if len(changes) <= 12 else ''}>"  # noqa: PLR2004
        f"<summary>{TITLE[half]}: {len(changes)}</summary>\n"
    ]
    for each in changes:
        lines.append(f"**{SIGN[each.kind]} {each.kind.value}** {code(each.target)}  ")
        lines.append(f"{escape(each.summary)}\n")
        if worth := money(each.cost):
            lines.append(f"- {worth} at list prices")
        lines += [f"- {escape(reason)}" for reason in each.reasons]
        body = _body(each)
        if body:
            lines += ["", *_fenced(body), ""]
    lines.append("</details>")
    return "\n".join(lines)


def _body(change: Change) -> list[str]:
    body = []
    for detail in change.details:
        mark = "   # replaces" if detail.replaces else ""
        if detail.before:
            body.append(f"- {detail.path}: {detail.before}{mark}")
        if detail.after:
            body.append(f"+ {detail.path}: {detail.after}{mark}")
    return body + change.diff.splitlines()


def _fenced(lines: list[str]) -> list[str]:
    """Lines in a code block that nothing inside them can close."""
    shown = lines[:LONGEST_DIFF_LINES]
    if len(lines) > len(shown):
        shown.append(f"# {len(lines) - len(shown)} more lines")
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}diff", *shown, fence]


def escape(text: str) -> str:
    """Text that shows as it is: no HTML, no Markdown, no mention of anybody."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]|#])", r"\\\1", escaped)
    return escaped.replace("@", "&#64;").replace("\n", " ")


def code(text: str) -> str:
    """Text as inline code, whatever it contains."""
    flat = text.replace("\n", " ").replace("|", "¦")
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {flat} {fence}" if longest else f"`{flat}`"
