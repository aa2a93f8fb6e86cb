"""What the role `gpu` needs to know of a host's GPUs before it touches the host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.model.gpu import refusals, settings, to_hold, to_install


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters by name."""
        return {
            "gpu_refusals": refusals,
            "gpu_settings": settings,
            "gpu_to_hold": to_hold,
            "gpu_to_install": to_install,
        }
