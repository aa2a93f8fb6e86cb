"""Gives Ansible what Python computes, so that a playbook run by hand is the same as by command."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.group import Group
from ansible.inventory.host import Host
from ansible.plugins.loader import filter_loader, test_loader
from ansible.plugins.vars import BaseVarsPlugin

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from landfall import handoff
from landfall.errors import LandfallError
from landfall.model import site
from landfall.model.environment import Environment, find, names
from landfall.model.variables import compute, of_hosts

DOCUMENTATION = """
name: landfall
short_description: Variables that Landfall computes from the files of an environment.
description:
  - The site, routes, engines, tenants, the handoff and the wheelhouse of the environment whose
    inventory is used, as C(landfall_...) variables of the group C(all).
  - What each host's file says, with defaults filled in, as its variable C(landfall_host).
  - The whole inventory is checked first, and every problem of it is reported at once.
options: {}
"""


class VarsModule(BaseVarsPlugin):  # type: ignore[misc]
    """Variables of the group `all` of an environment's inventory, and of each of its hosts."""

    REQUIRES_ENABLED = False

    def get_vars(
        self,
        loader: object,
        path: str,
        entities: Any,
        cache: bool = True,  # noqa: ARG002  the plugin interface
    ) -> dict[str, object]:
        """The variables of `entities`: of the group `all`, and of hosts."""
        super().get_vars(loader, path, entities)
        _load_filters()
        variables: dict[str, object] = {}
        for each in entities if isinstance(entities, list) else [entities]:
            if isinstance(each, Group) and each.name == "all":
                variables |= _variables(str(Path(path).resolve()))[0]
            elif isinstance(each, Host):
                variables |= _variables(str(Path(path).resolve()))[1].get(each.name, {})
        return variables


@cache
def _load_filters() -> None:
    """Load every filter and test here, once: each task is a process of its own, which forgets.

    Variables are asked for before the first task's process is begun, and what is loaded then it
    has from the start. Without this it loads all of them for its first expression.
    """
    filter_loader.get("ansible.builtin.default")
    test_loader.get("ansible.builtin.defined")


@cache
def _variables(inventory: str) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """What the group `all` gets, and what each host gets."""
    folder = Path(inventory)
    folder = folder if folder.is_dir() else folder.parent
    if folder.parent.name != "inventories" or folder.name not in names(folder.parents[1]):
        return {}, {}
    environment = find(folder.name, folder.parents[1])
    try:
        _compare_with_handoff(environment)
        return compute(environment), of_hosts(environment)
    except LandfallError as error:
        raise AnsibleParserError(str(error)) from error


def _compare_with_handoff(environment: Environment) -> None:
    path = environment.handoff_file
    if path.exists():
        source = str(path.relative_to(environment.root))
        handoff.check(handoff.load(path), site.load(environment), source=source)
