"""Keeping secrets out of a report, whatever a source let through.

Sources already hide what they know to be secret. This is the second lock: it knows values (handed
in by whoever read them) and the forms that secrets take, and it runs before anything is cut.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from landfall.model.change import Change, Report

MASK = "[secret]"

FORMS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"),
    re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}\b"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/-]{12,}=*"),
    re.compile(r"(?i)(?<=password: )\S+|(?<=password=)\S+|(?<=secret: )\S+|(?<=psk: )\S+"),
)
"""What is masked wherever it stands: keys, tokens, and values after a telling word."""

SHORTEST = 6
"""A known secret shorter than this is not searched for: it would mask ordinary words."""


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` with every known secret, and everything in the form of one, masked."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    for form in FORMS:
        text = form.sub(MASK, text)
    return text


def mask(report: Report, secrets: Iterable[str] = ()) -> Report:
    """A report in which no field of any change holds a secret."""
    clean = partial(mask_text, secrets=tuple(secrets))

    return replace(
        report,
        changes=tuple(_mask_change(each, clean) for each in report.changes),
        notes=tuple(clean(note) for note in report.notes),
        policy_failures=tuple(clean(line) for line in report.policy_failures),
    )


def _mask_change(change: Change, clean: Callable[[str], str]) -> Change:
    details = tuple(
        replace(each, before=clean(each.before), after=clean(each.after)) for each in change.details
    )
    return replace(
        change,
        summary=clean(change.summary),
        reasons=tuple(clean(reason) for reason in change.reasons),
        details=details,
        diff=clean(change.diff),
    )
