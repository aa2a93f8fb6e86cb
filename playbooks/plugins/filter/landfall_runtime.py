"""What the role `runtime` decides about containers on the controller."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.model import container


def command(asked: dict[str, Any], registry: str) -> str:
    """The line of a unit that runs a container."""
    return container.quoted(container.arguments(asked, registry))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "runtime_command": command,
            "runtime_missing": container.missing,
            "runtime_refusals": container.refusals,
            "runtime_unreferenced": container.unreferenced,
            "runtime_wrong": container.wrong,
        }
