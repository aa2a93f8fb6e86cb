#!/usr/bin/python
"""NVMe disks as one array: md RAID 10, LUKS2 and XFS, from disks named by serial number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import config, door, journal, pin, plan, run
from ansible.module_utils.landfall_storage.facts import Facts
from ansible.module_utils.landfall_storage.gather import Run, gather, luks
from ansible.module_utils.landfall_storage.spec import COMMON, Spec, spec

DOCUMENTATION = r"""
module: landfall_storage
short_description: NVMe disks as one array, from disks named by serial number
description:
  - Makes md RAID 10, LUKS2 and XFS of disks that are named by serial number and proven empty.
  - Disks on which anything is are refused; landfall_storage_wipe is what empties them.
  - C(make) ends when the header and the recovery key lie on the host, encrypted to the escrow
    certificate. C(use) refuses to go on until the controller has shown that it holds them.
  - In check mode both show every step, devices that do not exist yet included.
  - Safe to run again after an interruption at any point. What holds data is only assembled.
options:
  host: {description: The inventory's name of the host., type: str, required: true}
  array: {description: The array; see landfall.model.array., type: dict, required: true}
  disks:
    description: The disks that the inventory promises.
    type: list
    elements: dict
    required: true
  phase:
    description: The part of the plan to carry out.
    type: str
    choices: [make, use]
    required: true
  certificate:
    description: The escrow certificate, in PEM.
    type: str
    required: true
  tang: {description: Key servers that open the array., type: list, elements: dict}
  rehearsal: {description: The host is a stand-in; a key file may open it., type: bool}
  pinned:
    description: The manifest that the controller holds; an array that it names is assembled.
    type: dict
  escrowed: {description: SHA-256 of the escrow files that the controller holds., type: dict}
  files: {description: Further files to write, text by path., type: dict}
  units: {description: Units to enable and start., type: list, elements: str}
author: [Landfall]
"""

EXAMPLES = r"""
- name: Make the array
  landfall_storage:
    phase: make
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
    certificate: "{{ lookup('file', 'escrow.pem') }}"
"""

RETURN = r"""
steps:
  description: What was done, or would be in check mode, in order.
  returned: always
  type: list
  elements: dict
notes:
  description: What the reader should know and what is no problem.
  returned: always
  type: list
  elements: str
escrow:
  description: SHA-256 of each escrow file on the host, by name.
  returned: always
  type: dict
uuids:
  description: UUIDs of array, container and file system.
  returned: always
  type: dict
"""

ARGUMENTS: dict[str, Any] = {
    **COMMON,
    "phase": {"type": "str", "choices": ["make", "use"], "required": True},
    "certificate": {"type": "str", "required": True},
    "tang": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "url": {"type": "str", "required": True},
            "thumbprint": {"type": "str", "required": True},
        },
    },
    "rehearsal": {"type": "bool", "default": False},
    "pinned": {"type": "dict", "default": {}},
    "escrowed": {"type": "dict", "default": {}},
    "files": {"type": "dict", "default": {}},
    "units": {"type": "list", "elements": "str", "default": []},
}


def held(wanted: dict[str, str], escrowed: dict[str, str]) -> list[str]:
    """What of the escrow the controller does not hold."""
    return [
        f"escrow: the controller does not hold {name} as it is on this host; fetch it first"
        for name, digest in sorted(wanted.items())
        if escrowed.get(name) != digest
    ]


def main() -> None:
    """Gather, plan, refuse or carry out."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given, do = module.params, door.runner(module)
    wanted = spec(given)
    try:
        units = [*given["units"], *config.DISPLACED]
        facts = gather(do, wanted, paths=given["files"], units=units)
    except ValueError as error:
        module.fail_json(msg=str(error))
    if facts.missing and not module.check_mode:
        module.fail_json(msg=f"not installed: {', '.join(facts.missing)}")
    facts = _with_container(do, pin.with_pin(facts, given["pinned"]))
    planned = plan.plan(
        wanted,
        facts,
        fresh=journal.fresh(wanted.members, wanted.spares, drawn=not module.check_mode),
        rendered=given["files"],
        units=tuple(given["units"]),
    )
    if planned.problems:
        message = door.report(planned.problems, wanted.host)
        module.fail_json(msg=message, problems=list(planned.problems), notes=list(planned.notes))
    steps, current = planned.of(given["phase"]), planned.journal
    assert current is not None  # a plan without problems has one
    if not module.check_mode:
        current = _carry_out(module, wanted, planned, steps)
    module.exit_json(
        changed=bool(steps),
        steps=door.told(steps),
        notes=list(planned.notes),
        escrow=dict(current.digests),
        uuids={"md": current.md, "luks": current.luks, "filesystem": current.filesystem},
        diff=door.diff(f"{wanted.name} ({given['phase']})", steps, facts.files),
    )


def _with_container(do: Run, facts: Facts) -> Facts:
    """An adopted array's header could not be looked for before it was known to be ours."""
    known = facts.journal
    array = facts.array(known.md) if known else None
    if facts.luks is None and array is not None and array.active:
        return replace(facts, luks=luks(do, array.path))
    return facts


def _carry_out(
    module: AnsibleModule, wanted: Spec, planned: plan.Plan, steps: tuple[plan.Step, ...]
) -> Any:
    given, current = module.params, planned.journal
    assert current is not None
    if given["phase"] == plan.USE:
        left = [each.name for each in planned.of(plan.MAKE)]
        problems = [f"not done yet: {name}" for name in left]
        problems += held(dict(current.digests), given["escrowed"])
        if problems or not current.digests:
            module.fail_json(msg=door.report(problems or ["nothing is in escrow"], wanted.host))
    work = run.Work(
        spec=wanted, run=door.runner(module), journal=current, certificate=given["certificate"]
    )
    try:
        if given["phase"] == plan.USE and not current.has("verified"):
            current = journal.finish(current, "verified")
        if given["phase"] == plan.USE and current != journal.read(wanted.name):
            work.note(current)
        run.carry_out(work, steps)
    except run.Failed as error:
        module.fail_json(msg=f"{wanted.host}: {error}")
    if journal.read(wanted.name) is None:
        work.note(work.journal)
    return work.journal


if __name__ == "__main__":
    main()
