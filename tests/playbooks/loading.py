"""Load a plugin of Ansible as a module: it stands outside of every package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import ansible.module_utils

from landfall.model.environment import ROOT

PLUGINS = ROOT / "playbooks/plugins"

# Where Ansible finds what modules share; see ansible.cfg.
ansible.module_utils.__path__.append(str(PLUGINS / "module_utils"))


def plugin(kind: str, name: str) -> ModuleType:
    """A plugin of `playbooks/plugins/`, by its kind and name."""
    return load(PLUGINS / kind / f"{name}.py")


def load(path: Path) -> ModuleType:
    """The module in a file; dataclasses need it to be registered by its name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
