#!/usr/bin/python
"""Let a set of small files of a host be as wanted, in one step, each whole or not at all."""

from __future__ import annotations

import glob
import grp
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_files
short_description: Let a set of small files of a host be as wanted, in one step
description:
  - One round trip for all files of a role; on a slow machine each one more costs seconds.
  - Content, mode and owner are compared, and what differs is written beside its place first.
  - Folders that are missing are made. Every file is checked before the first is written.
  - Removes files that match C(only) and are not listed, so that what is no longer wanted goes.
  - Supports check mode and diff.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it stands.
        type: path
        required: true
      content:
        description: Its text; never a secret, because it is shown as a diff.
        type: str
        required: true
      mode:
        description: Its permissions, octal.
        type: str
        default: "0644"
      owner:
        description: The name of its owner; absent for whoever writes it, which is root.
        type: str
      group:
        description: The name of its group; absent for that of whoever writes it.
        type: str
      validate:
        description: A program with its arguments that is given a copy and says whether it is right.
        type: list
        elements: str
        default: []
  only:
    description: Patterns of paths at which nothing but the listed files may stand.
    type: list
    elements: str
    default: []
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Write two files, and remove others of the same kind
  landfall_files:
    files:
      - {path: /etc/a.conf, content: "a\n"}
      - {path: /etc/b.conf, content: "b\n", mode: "0640", group: daemon}
    only: [/etc/*.landfall]
"""

RETURN = r"""
written:
  description: The paths that were written, or would be.
  returned: always
  type: list
  elements: str
removed:
  description: The paths that were removed, or would be.
  returned: always
  type: list
  elements: str
"""

FOLDER_MODE = 0o755

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "validate": {"type": "list", "elements": "str", "default": []},
}


def read(path: Path) -> str:
    """The text of a file; "" where there is none, or a link in its place."""
    return path.read_text(errors="replace") if path.is_file() and not path.is_symlink() else ""


def owners(each: dict[str, Any]) -> tuple[int, int]:
    """The ids of owner and group.

    Raises:
        KeyError: there is no such user or group (yet).
    """
    uid = pwd.getpwnam(each["owner"]).pw_uid if each["owner"] else os.geteuid()
    gid = grp.getgrnam(each["group"]).gr_gid if each["group"] else os.getegid()
    return uid, gid


def differs(each: dict[str, Any]) -> bool:
    """Whether a file has another text, mode or owner, or is not there."""
    path = Path(each["path"])
    if not path.is_file() or path.is_symlink():
        return True
    found = path.stat()
    try:
        owned = (found.st_uid, found.st_gid) == owners(each)
    except KeyError:
        return True
    mode = stat.S_IMODE(found.st_mode)
    return read(path) != each["content"] or mode != int(each["mode"], 8) or not owned


def write(each: dict[str, Any]) -> None:
    """Write a file so that a reader, or a power cut, finds the old one or the new one."""
    path = Path(each["path"])
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("w") as handle:
            os.fchmod(handle.fileno(), int(each["mode"], 8))
            os.fchown(handle.fileno(), *owners(each))
            handle.write(each["content"])
            handle.flush()
            os.fsync(handle.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def problem(module: AnsibleModule, each: dict[str, Any]) -> str:
    """What a file's own program has against it; "" where nothing."""
    if not each["validate"]:
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=Path(each["path"]).suffix) as copy:
        copy.write(each["content"])
        copy.flush()
        code, out, error = module.run_command([*each["validate"], copy.name])
    said = (error.strip() or out.strip()).replace(copy.name, each["path"])
    return f"{each['path']}: {said}" if code != 0 else ""


def unlisted(patterns: list[str], listed: set[str]) -> list[str]:
    """Files that stand where only listed ones may."""
    return sorted({path for pattern in patterns for path in glob.glob(pattern)} - listed)


def main() -> None:
    """Compare, write what differs, and remove what is not of the set."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "only": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    files = module.params["files"]
    todo = [each for each in files if differs(each)]
    removed = unlisted(module.params["only"], {each["path"] for each in files})
    diff = [
        {
            "before_header": each["path"],
            "after_header": f"{each['path']} (mode {each['mode']})",
            "before": read(Path(each["path"])),
            "after": each["content"],
        }
        for each in todo
    ]
    diff += [
        {"before_header": path, "after_header": path, "before": read(Path(path)), "after": ""}
        for path in removed
    ]
    if not module.check_mode:
        problems = [found for each in todo if (found := problem(module, each))]
        if problems:
            module.fail_json(msg="nothing was written: " + "; ".join(problems))
        for each in todo:
            write(each)
        for path in removed:
            os.unlink(path)
    written = [each["path"] for each in todo]
    changed = bool(written or removed)
    module.exit_json(changed=changed, written=written, removed=removed, diff=diff)


if __name__ == "__main__":
    main()
