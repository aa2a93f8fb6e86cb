#!/usr/bin/python
"""Read how an array is, and what of it is not as promised."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import door, verify
from ansible.module_utils.landfall_storage.gather import gather
from ansible.module_utils.landfall_storage.spec import COMMON, spec

DOCUMENTATION = r"""
module: landfall_storage_facts
short_description: Read how an array is, and what of it is not as promised
description:
  - Reads disks, array, container, file system and units; changes nothing.
options:
  host: {description: The inventory's name of the host., type: str, required: true}
  array: {description: The array; see landfall.model.array., type: dict, required: true}
  disks:
    description: The disks that the inventory promises.
    type: list
    elements: dict
    required: true
  units: {description: Units that shall be enabled and active., type: list, elements: str}
author: [Landfall]
"""

EXAMPLES = r"""
- name: Read how the array is
  landfall_storage_facts:
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
"""

RETURN = r"""
problems:
  description: What is not as promised; empty where all is.
  returned: always
  type: list
  elements: str
summary: {description: How the array is., returned: always, type: str}
md: {description: The array's particulars, returned: always, type: dict}
settled: {description: Whether nothing runs on it or is about to, returned: always, type: bool}
present: {description: Serial numbers that are there, returned: always, type: list, elements: str}
"""


def main() -> None:
    """Gather and compare."""
    options: dict[str, Any] = {
        **COMMON,
        "units": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    wanted, units = spec(module.params), tuple(module.params["units"])
    try:
        facts = gather(door.runner(module), wanted, units=units)
    except ValueError as error:
        module.fail_json(msg=str(error))
    array = facts.array(facts.journal.md) if facts.journal else None
    module.exit_json(
        changed=False,
        problems=list(verify.problems(wanted, facts, units)),
        summary=verify.summary(wanted, facts),
        md=asdict(array) if array else {},
        settled=array is None or verify.settled(array),
        present=sorted(disk.serial for disk in facts.disks),
    )


if __name__ == "__main__":
    main()
