"""The report as JSON, for machines."""

from __future__ import annotations

import json
from dataclasses import asdict

from landfall.model.change import Report, exit_code
from landfall.preview.order import worst_first
from landfall.preview.wording import headline

SCHEMA = 1
"""Raised when a field changes its meaning or goes."""


def write(report: Report, *, digest: str) -> str:
    """The report as one JSON object, with every change whole."""
    value = {
        "schema": SCHEMA,
        "environment": report.environment,
        "headline": headline(report),
        "exit_code": int(exit_code(report)),
        "digest": digest,
        "compared_with": report.compared_with,
        "notes": list(report.notes),
        "policy_failures": list(report.policy_failures),
        "unchanged": {half.value: number for half, number in report.unchanged.items()},
        "changes": [
            {**asdict(each), "severity": each.severity.name.lower()}
            for each in worst_first(report.changes)
        ],
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
