"""Ansible plugins, loaded as Ansible does: by their file."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from landfall.model.environment import ROOT


def plugin(kind: str, name: str) -> ModuleType:
    """The module of a plugin below `playbooks/plugins/`."""
    path = ROOT / "playbooks/plugins" / kind / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"landfall_plugins_{kind}_{name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
