#!/usr/bin/python
"""Empty the disks of an array, if a person has confirmed exactly what is on them."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import door, wipe
from ansible.module_utils.landfall_storage.gather import gather
from ansible.module_utils.landfall_storage.spec import COMMON, spec

DOCUMENTATION = r"""
module: landfall_storage_wipe
short_description: Empty the disks of an array, if a person has confirmed exactly what is on them
description:
  - Refuses disks that are mounted, swap, or held by anything but an idle array.
  - Refuses without a confirmation that names this host and exactly these contents; the message
    says what is there and which value would confirm it.
options:
  host: {description: The inventory's name of the host., type: str, required: true}
  array: {description: The array; see landfall.model.array., type: dict, required: true}
  disks:
    description: The disks that the inventory promises.
    type: list
    elements: dict
    required: true
  confirmed: {description: HOST:DIGEST as the refusal gave it., type: str}
author: [Landfall]
"""

EXAMPLES = r"""
- name: Wipe
  landfall_storage_wipe:
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
    confirmed: "{{ storage_wipe_confirm }}"
"""

RETURN = r"""
steps:
  description: What was wiped, or would be in check mode.
  returned: always
  type: list
  elements: dict
"""


def main() -> None:
    """Gather, compare with the confirmation, wipe."""
    options: dict[str, Any] = {**COMMON, "confirmed": {"type": "str", "default": ""}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    wanted, do = spec(module.params), door.runner(module)
    door.conduct(
        module,
        wanted,
        "wipe",
        look=lambda: gather(do, wanted),
        decide=lambda facts: wipe.plan(wanted, facts, module.params["confirmed"]),
        do=lambda planned: door.carry_out(do, wanted, planned),
    )


if __name__ == "__main__":
    main()
