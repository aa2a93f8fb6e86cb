#!/usr/bin/python
"""Change what opens an array at boot, with its recovery key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import door, journal, reseal, run
from ansible.module_utils.landfall_storage.facts import Facts
from ansible.module_utils.landfall_storage.gather import Run, gather
from ansible.module_utils.landfall_storage.plan import Plan, Step
from ansible.module_utils.landfall_storage.spec import COMMON, Spec, spec

DOCUMENTATION = r"""
module: landfall_storage_reseal
short_description: Change what opens an array at boot, with its recovery key
description:
  - Seals the key to the TPM as it is now, or lets a key server or a key file open the array.
  - The recovery key is in memory only, and only while this runs.
options:
  host: {description: The inventory's name of the host., type: str, required: true}
  array: {description: The array; see landfall.model.array., type: dict, required: true}
  disks:
    description: The disks that the inventory promises.
    type: list
    elements: dict
    required: true
  recovery_key: {description: As it was decrypted from the escrow., type: str, required: true}
  tang: {description: Key servers that open the array., type: list, elements: dict}
  rehearsal: {description: The host is a stand-in., type: bool}
author: [Landfall]
"""

EXAMPLES = r"""
- name: Reseal
  landfall_storage_reseal:
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
    recovery_key: "{{ storage_recovery_key }}"
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: dict
"""


def main() -> None:
    """Gather, plan, and change the key slots while the key is in memory."""
    options: dict[str, Any] = {
        **COMMON,
        "recovery_key": {"type": "str", "required": True, "no_log": True},
        "tang": {"type": "list", "elements": "dict", "default": []},
        "rehearsal": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    wanted, do = spec(module.params), door.runner(module)

    def decide(facts: Facts) -> Plan:
        planned = reseal.reseal(wanted, facts)
        array = facts.array(facts.journal.md) if facts.journal else None
        return named(planned, wanted.device, array.path) if array else planned

    door.conduct(
        module,
        wanted,
        "reseal",
        look=lambda: gather(do, wanted),
        decide=decide,
        do=lambda planned: with_key(do, wanted, planned, module.params["recovery_key"]),
    )


def named(planned: Plan, name: str, path: str) -> Plan:
    """The plan for an array that has another name than it will have once it is opened."""

    def step(each: Step) -> Step:
        words = (tuple(path if word == name else word for word in one) for one in each.commands)
        return replace(each, commands=tuple(words))

    return replace(planned, steps=tuple(map(step, planned.steps)))


def with_key(do: Run, wanted: Spec, planned: Plan, key: str) -> None:
    """Carry a plan out with the recovery key in memory; it is gone afterwards, whatever happens."""
    work = run.Work(spec=wanted, run=do, journal=planned.journal, certificate="")
    work.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        journal.replace_file(Path(work.key_file), key.strip(), mode=0o400)
        run.carry_out(work, planned.steps)
    finally:
        run.forget(work)


if __name__ == "__main__":
    main()
