#!/usr/bin/python
"""Replace a disk of an array that holds data, grow the array, compare it with itself."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import change, door
from ansible.module_utils.landfall_storage.facts import Facts
from ansible.module_utils.landfall_storage.gather import gather
from ansible.module_utils.landfall_storage.plan import MAKE, Plan, Step
from ansible.module_utils.landfall_storage.spec import COMMON, Spec, spec

DOCUMENTATION = r"""
module: landfall_storage_disks
short_description: Replace a disk of an array that holds data, grow the array, compare it
description:
  - Begins what takes long and returns; landfall_storage_facts says how far it is.
  - Safe to run again; a second run does nothing that is done already.
options:
  host: {description: The inventory's name of the host., type: str, required: true}
  array: {description: The array; see landfall.model.array., type: dict, required: true}
  disks:
    description: The disks that the inventory promises.
    type: list
    elements: dict
    required: true
  action:
    description:
      - C(replace) puts C(new) in the place of C(old); C(grow) takes in the disks that the inventory
        names besides those of the array; C(extend) lets container and file system fill it;
        C(scrub) compares the array with itself.
    type: str
    choices: [replace, grow, extend, scrub]
    required: true
  old: {description: Serial number of the disk that goes., type: str}
  new: {description: Serial number of the disk that comes., type: str}
author: [Landfall]
"""

EXAMPLES = r"""
- name: Replace a disk
  landfall_storage_disks:
    action: replace
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
    old: S6ZFNE0R1
    new: S6ZFNE0R9
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: dict
"""


def planned_for(params: dict[str, Any], wanted: Spec, facts: Facts) -> Plan:
    """The plan of one action."""
    match params["action"]:
        case "replace":
            return change.replace(wanted, facts, old=params["old"], new=params["new"])
        case "grow":
            return change.grow(wanted, facts)
        case "extend":
            return Plan(steps=change.extend(wanted), journal=facts.journal)
        case _:
            return Plan(steps=scrub(wanted, facts), journal=facts.journal)


def scrub(wanted: Spec, facts: Facts) -> tuple[Step, ...]:
    """Compare the array with itself, unless something is running on it already."""
    array = facts.array(facts.journal.md) if facts.journal else None
    if array is None or array.action not in ("idle", ""):
        return ()
    return (
        Step(
            name="Compare the array with itself",
            change=f"{wanted.device}: every block is read from both its disks",
            phase=MAKE,
            commands=(("mdadm", "--action=check", array.path),),
        ),
    )


def main() -> None:
    """Gather, plan, refuse or carry out."""
    options: dict[str, Any] = {
        **COMMON,
        "action": {
            "type": "str",
            "choices": ["replace", "grow", "extend", "scrub"],
            "required": True,
        },
        "old": {"type": "str", "default": ""},
        "new": {"type": "str", "default": ""},
    }
    needs = [("action", "replace", ["old", "new"])]
    module = AnsibleModule(argument_spec=options, supports_check_mode=True, required_if=needs)
    wanted, do = spec(module.params), door.runner(module)
    extra = [module.params["old"]] if module.params["old"] else []
    door.conduct(
        module,
        wanted,
        module.params["action"],
        look=lambda: gather(do, wanted, more=extra),
        decide=lambda facts: planned_for(module.params, wanted, facts),
        do=lambda planned: door.carry_out(do, wanted, planned),
    )


if __name__ == "__main__":
    main()
