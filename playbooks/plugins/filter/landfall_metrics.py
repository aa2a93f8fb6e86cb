"""What the role `metrics` needs to know of Xid codes for its rules."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.model.xid import MEANINGS, Action


def metrics_xids(actions: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Xid codes with their meaning, for each of `actions`: what brings the GPU back."""
    return {
        action: [
            {"code": code, "meaning": meaning}
            for code, (needed, meaning) in MEANINGS.items()
            if needed is Action(action)
        ]
        for action in actions
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {"metrics_xids": metrics_xids}
