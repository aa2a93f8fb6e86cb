#!/usr/bin/python
"""Have services run, all of a role in one step; check mode knows those that are not there yet."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_services
short_description: Have services run, now and after a restart of the host
description:
  - One round trip for all services of a role; on a slow machine each one more costs seconds.
  - In check mode a unit that is not written yet, or whose package is not installed yet, is told as
    one that would be started. M(ansible.builtin.systemd_service) fails there.
  - systemd reads changed units before anything is started.
options:
  restarted:
    description: Units, with their endings, that are restarted, in this order.
    type: list
    elements: str
    default: []
  reloaded:
    description: Units that read their configuration anew after that; one that does not run starts.
    type: list
    elements: str
    default: []
  started:
    description: Units that run after that, whether or not they are among the others.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Run the services
  landfall_services:
    restarted: [landfall-gateway-keys.service]
    reloaded: [nginx.service]
    started: [landfall-metrics.timer]
"""

RETURN = r"""
done:
  description: What was done, or would be, as words of systemctl.
  returned: always
  type: list
  elements: str
"""

SHOWN = ("ActiveState", "SubState", "UnitFileState")
STARTS_BY_ITSELF = ("enabled", "enabled-runtime", "static", "indirect", "generated")
RUNS = ("active", "reloading", "activating")
FAILED = "auto-restart"
"""Waits to be tried again; told as activating, but a start tells why it fails."""
VERBS = {"restarted": "restart", "reloaded": "reload-or-restart", "started": "start"}
"""What is done with the units of each list, in this order."""


def shown(module: AnsibleModule, name: str) -> dict[str, str]:
    """How a unit is; of one that systemd does not know, nothing runs."""
    words = ["systemctl", "show", f"--property={','.join(SHOWN)}", name]
    _, out, _ = module.run_command(words, check_rc=True)
    return dict(line.split("=", 1) for line in out.splitlines() if "=" in line)


def steps(state: str, found: dict[str, str]) -> list[str]:
    """What is to do for one service, as verbs of systemctl."""
    enable = [] if found.get("UnitFileState") in STARTS_BY_ITSELF else ["enable"]
    runs = found.get("ActiveState") in RUNS and found.get("SubState") != FAILED
    return enable + ([] if runs and state == "started" else [VERBS[state]])


def run(module: AnsibleModule, verb: str, name: str) -> None:
    """One verb of systemctl; a service that fails is told with what it said last."""
    code, out, error = module.run_command(["systemctl", verb, name])
    if code:
        last = ["journalctl", "--no-pager", "--output=cat", "--lines=15", f"--unit={name}"]
        _, said, _ = module.run_command(last)
        module.fail_json(msg=f"systemctl {verb} {name}: {error or out}\n{said}".rstrip())


def main() -> None:
    """Compare, and start what does not run as it should."""
    units = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(argument_spec=dict.fromkeys(VERBS, units), supports_check_mode=True)
    asked: dict[str, str] = {}
    for state in VERBS:
        for name in module.params[state]:
            asked.setdefault(name, state)
    todo = [
        (verb, name) for name, state in asked.items() for verb in steps(state, shown(module, name))
    ]
    if todo and not module.check_mode:
        module.run_command(["systemctl", "daemon-reload"], check_rc=True)
        for verb, name in todo:
            run(module, verb, name)
    done = [f"{verb} {name}" for verb, name in todo]
    module.exit_json(changed=bool(todo), done=done)


if __name__ == "__main__":
    main()
