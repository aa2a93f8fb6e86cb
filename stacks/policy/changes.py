"""The rules that look at what a plan changes, which Pulumi's policy engine does not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from landfall.model.change import Change
from stacks.policy.rules import rules
from stacks.policy.settings import PolicySettings


def forbidden(
    changes: Sequence[Change], settings: PolicySettings, *, today: date | None = None
) -> Iterator[str]:
    """One line for each change that a rule forbids and no exemption names."""
    for rule in rules():
        for found in rule.check_changes(changes, settings) if rule.check_changes else ():
            if settings.exempts(rule.name, found.urn, today or date.today()) is None:
                yield f"{rule.name}: {found.urn} {found.message}"
