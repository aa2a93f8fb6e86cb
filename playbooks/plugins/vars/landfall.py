"""Gives Ansible what Python computes, so that a playbook run by hand is the same as by command."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.group import Group
from ansible.plugins.vars import BaseVarsPlugin

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall.errors import LandfallError
from landfall.model.environment import find, names
from landfall.model.variables import compute

DOCUMENTATION = """
name: landfall
short_description: Variables that Landfall computes from the files of an environment.
description:
  - Routes, engines, tenants, the handoff and the wheelhouse of the environment whose inventory is
    used, as C(landfall_...) variables of the group C(all).
options: {}
"""


class VarsModule(BaseVarsPlugin):  # type: ignore[misc]
    """Variables of the group `all` of an environment's inventory."""

    REQUIRES_ENABLED = False

    def get_vars(
        self,
        loader: object,
        path: str,
        entities: Any,
        cache: bool = True,  # noqa: ARG002  the plugin interface
    ) -> dict[str, object]:
        """The variables of `entities`; only the group `all` has any."""
        super().get_vars(loader, path, entities)
        found = entities if isinstance(entities, list) else [entities]
        if not any(isinstance(each, Group) and each.name == "all" for each in found):
            return {}
        return _variables(str(Path(path).resolve()))


@cache
def _variables(inventory: str) -> dict[str, object]:
    folder = Path(inventory)
    folder = folder if folder.is_dir() else folder.parent
    if folder.parent.name != "inventories" or folder.name not in names(folder.parents[1]):
        return {}
    try:
        return compute(find(folder.name, folder.parents[1]))
    except LandfallError as error:
        raise AnsibleParserError(str(error)) from error
