"""One digest over everything that a reviewer approves; apply compares it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from landfall.model.change import Report
from landfall.preview.order import worst_first


def digest(report: Report, context: Mapping[str, str]) -> str:
    """SHA-256, in hex, over the changes and what they were computed from.

    Args:
        report: the masked report.
        context: what else must be the same at apply: commit, state version, inventory digest,
            declared facts. Never uptime or free memory.
    """
    value = {
        "environment": report.environment,
        "context": dict(sorted(context.items())),
        "changes": [asdict(each) for each in worst_first(report.changes)],
        "policy_failures": sorted(report.policy_failures),
    }
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
