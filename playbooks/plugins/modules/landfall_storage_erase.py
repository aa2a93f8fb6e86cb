#!/usr/bin/python
"""Take an array out of service for good: its keys, then every disk, with a certificate."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.landfall_storage import door, erase, journal, run
from ansible.module_utils.landfall_storage.facts import Facts
from ansible.module_utils.landfall_storage.gather import Run, gather
from ansible.module_utils.landfall_storage.plan import Plan
from ansible.module_utils.landfall_storage.spec import COMMON, Spec, spec

DOCUMENTATION = r"""
module: landfall_storage_erase
short_description: Take an array out of service for good, with a certificate
description:
  - Unmounts and closes, erases every key of the container, then sanitizes each disk where it can,
    and formats it with user data erase where it cannot.
  - Looks at each disk before and after, and returns what was done and found as a certificate.
  - Needs a confirmation that names this host and exactly these disks, as a wipe does.
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
- name: Erase
  landfall_storage_erase:
    host: "{{ inventory_hostname }}"
    array: "{{ storage_array }}"
    disks: "{{ storage_disks }}"
    confirmed: "{{ storage_erase_confirm }}"
"""

RETURN = r"""
certificate:
  description: Each disk, how it was erased, when, and what a look at it found afterwards.
  returned: when something was erased, or had been
  type: dict
"""

CERTIFICATE = Path(journal.FOLDER, "erased.json")


def disks(do: Run, wanted: Spec, facts: Facts) -> list[dict[str, Any]]:
    """Erase each disk, looking before and after."""
    found = []
    present = [disk for disk in map(facts.disk, wanted.serials) if disk is not None]
    for disk in present:
        before = erase.sample(disk)
        how = erase.erase(do, disk)
        do(["udevadm", "settle", "--timeout=60"])
        left = gather(do, wanted).disk(disk.serial)
        if left is None:
            raise run.Failed(f"{disk.serial} is gone since it was erased; look at it by hand")
        result = erase.compare(disk, how, before, erase.sample(left), left)
        found.append({**asdict(result), "verified": result.verified})
    return found


def main() -> None:
    """Refuse, or erase and certify."""
    options: dict[str, Any] = {**COMMON, "confirmed": {"type": "str", "default": ""}}
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    wanted, do = spec(module.params), door.runner(module)
    if not journal.path(wanted.name).exists():
        module.exit_json(changed=False, certificate=module.from_json(_kept()))
    door.conduct(
        module,
        wanted,
        "erase",
        look=lambda: gather(do, wanted, units=erase.TIMERS),
        decide=lambda facts: erase.plan(wanted, facts, module.params["confirmed"]),
        do=lambda planned: {"certificate": certified(module, do, wanted, planned)},
    )


def certified(module: AnsibleModule, do: Run, wanted: Spec, planned: Plan) -> dict[str, Any]:
    """Erase keys and disks; what was done and found, which this host keeps as well."""
    door.carry_out(do, wanted, planned)
    done = disks(do, wanted, gather(do, wanted))
    when = datetime.now(UTC).isoformat(timespec="seconds")
    certificate: dict[str, Any] = erase.certificate(wanted.host, wanted.name, done, when)
    journal.replace_file(CERTIFICATE, module.jsonify(certificate), mode=0o644)
    unproven = [disk["serial"] for disk in done if not disk["verified"]]
    if unproven:
        module.fail_json(
            msg=f"{wanted.host}: not proven to be erased: {', '.join(unproven)}",
            certificate=certificate,
        )
    erase.forget(wanted, journal.FOLDER)
    return certificate


def _kept() -> str:
    return CERTIFICATE.read_text() if CERTIFICATE.exists() else "{}"


if __name__ == "__main__":
    main()
