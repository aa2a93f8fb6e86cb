#!/usr/bin/python
"""Have exactly these people log in to a host."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: landfall_operators
short_description: Have exactly these people log in to a host
description:
  - Each operator has an account without a password, and a file of keys that only root can write.
  - Whoever is in the group and not in the list loses keys, groups, sessions and the account's
    validity. The account itself and its files stay, so that what they did can still be told.
  - Supports check mode and diff.
options:
  operators:
    description: Name and keys of each.
    type: list
    elements: dict
    required: true
  keep:
    description: A user that is never removed, such as the one that configures the host.
    type: str
    required: true
  group:
    description: The group of operators.
    type: str
    default: landfall-operators
  folder:
    description: Where their keys are, one file for each.
    type: path
    default: /etc/ssh/authorized_keys.d
"""

EXPIRED = "1"
"""1970-01-02: an account that expired then refuses every login, keys included."""

FOREVER = ""


class Accounts:
    """What is on the host, and the commands that make it what is wanted."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.group: str = module.params["group"]
        self.folder = Path(module.params["folder"])
        self.wanted = {each["name"]: each["keys"] for each in module.params["operators"]}
        self.keep: str = module.params["keep"]
        self.todo: list[list[str]] = []

    def members(self) -> set[str]:
        """Who is in the group of operators now."""
        try:
            return set(grp.getgrnam(self.group).gr_mem)
        except KeyError:
            self.todo.append(["groupadd", "--system", self.group])
            return set()

    def plan(self) -> dict[str, str]:
        """Collect the commands; the key files that are to be, by name."""
        members = self.members()
        for name in self.wanted:
            if not _exists(name):
                words = ["--create-home", "--shell", "/bin/bash", "--groups", self.group]
                self.todo.append(["useradd", *words, name])
                continue
            if name not in members:
                self.todo.append(["usermod", "--append", "--groups", self.group, name])
            if _expired(name):
                self.todo.append(["usermod", "--expiredate", FOREVER, name])
        for name in sorted(members - self.wanted.keys() - {self.keep}):
            self.todo.append(["gpasswd", "--delete", name, self.group])
            self.todo.append(["usermod", "--lock", "--expiredate", EXPIRED, name])
            self.todo.append(["loginctl", "terminate-user", name])
        return {name: "".join(f"{key}\n" for key in keys) for name, keys in self.wanted.items()}

    def run(self) -> None:
        """Carry out the commands. Whoever has no session cannot be thrown out, which is fine."""
        for command in self.todo:
            code, _, error = self.module.run_command(command)
            if code != 0 and command[0] != "loginctl":
                self.module.fail_json(msg=f"{' '.join(command)}: {error.strip()}")


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _expired(name: str) -> bool:
    """Whether the eighth field of the shadow file, days since 1970, is set."""
    for line in Path("/etc/shadow").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return fields[7] != ""
    return False


def _kept(folder: Path) -> dict[str, str]:
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: path.read_text() for path in found if not path.name.startswith(".")}


def _write(folder: Path, keys: dict[str, str], before: dict[str, str]) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in before.keys() - keys.keys():
        (folder / name).unlink()
    for name, text in keys.items():
        part = folder / f".{name}.part"
        with part.open("w") as handle:
            os.fchmod(handle.fileno(), 0o644)
            handle.write(text)
        part.replace(folder / name)


def _shown(keys: dict[str, str], commands: list[list[str]]) -> str:
    """Public keys, so that a reviewer sees who gets in; they are no secrets."""
    lines = [f"{name}: {line}\n" for name in sorted(keys) for line in keys[name].splitlines()]
    return "".join([*lines, *(f"{' '.join(each)}\n" for each in commands)])


def main() -> None:
    """What Ansible runs."""
    operator = {
        "name": {"type": "str", "required": True},
        "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
    }
    module = AnsibleModule(
        argument_spec={
            "operators": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": operator,
            },
            "keep": {"type": "str", "required": True},
            "group": {"type": "str", "default": "landfall-operators"},
            "folder": {"type": "path", "default": "/etc/ssh/authorized_keys.d", "no_log": False},
        },
        supports_check_mode=True,
    )
    accounts = Accounts(module)
    keys, before = accounts.plan(), _kept(accounts.folder)
    result: dict[str, Any] = {"changed": bool(accounts.todo) or keys != before}
    result["diff"] = {"before": _shown(before, []), "after": _shown(keys, accounts.todo)}
    result["diff"] |= {f"{side}_header": "operators" for side in ("before", "after")}
    if result["changed"] and not module.check_mode:
        # Keys go first: nobody who is to lose them logs in meanwhile.
        _write(accounts.folder, keys, before)
        accounts.run()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
