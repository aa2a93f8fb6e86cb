"""A policy pack with Landfall's rules and limits of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from landfall.model.environment import ROOT

MAIN = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from stacks.policy.pack import serve
serve(Path({folder!r}))
"""


def pack(folder: Path, limits: dict[str, Any]) -> Path:
    """Write the pack, whose environment dev has these limits, and return its folder."""
    environments = folder / "environments"
    environments.mkdir(parents=True)
    (environments / "dev.yaml").write_text(yaml.safe_dump(limits))
    (folder / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 0.0.1\n")
    (folder / "__main__.py").write_text(MAIN.format(root=str(ROOT), folder=str(environments)))
    return folder
