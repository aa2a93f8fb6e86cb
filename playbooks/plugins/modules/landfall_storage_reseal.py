#!/usr/bin/python
"""Change what opens an array at boot, with its recovery key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import door, journal, reseal, run
from ansible.module_utils.landfall_storage.gather import gather
from ansible.module_utils.landfall_storage.spec import COMMON, spec

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
    try:
        facts = gather(do, wanted)
        planned = reseal.reseal(wanted, facts)
        if planned.problems:
            module.fail_json(msg=door.report(planned.problems, wanted.host))
        # the array may have another name than it will have once it is opened
        array = facts.array(facts.journal.md) if facts.journal else None
        steps = tuple(
            _on(each, wanted.device, array.path if array else "") for each in planned.steps
        )
        if not module.check_mode:
            with_key(do, wanted, replace(planned, steps=steps), module.params["recovery_key"])
    except (ValueError, run.Failed) as error:
        module.fail_json(msg=f"{wanted.host}: {error}")
    module.exit_json(
        changed=True,
        steps=door.told(planned.steps),
        diff=door.diff(f"{wanted.name} (reseal)", planned.steps, {}),
    )


def _on(step: Any, name: str, path: str) -> Any:
    commands = tuple(
        tuple(path if path and word == name else word for word in command)
        for command in step.commands
    )
    return replace(step, commands=commands)


def with_key(do: Any, wanted: Any, planned: Any, key: str) -> None:
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
