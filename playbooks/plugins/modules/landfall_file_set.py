#!/usr/bin/python
"""Let a set of files of a host be as wanted, each whole or not at all."""

from __future__ import annotations

import fnmatch
import glob
import grp
import os
import pwd
import stat
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_file_set
short_description: Let a set of files of a host be as wanted, and remove what is not of it
description:
  - Compares content, mode and owner of each file, and writes those that differ.
  - Removes files that match C(only) and are not listed, so that what is no longer wanted goes.
  - Folders that are missing are made.
options:
  files:
    description: The files, each with path, content, and optionally mode, owner and group.
    type: list
    elements: dict
    required: true
  only:
    description: Patterns of paths at which nothing but the listed files may stand.
    type: list
    elements: str
    default: []
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Write two files
  landfall_file_set:
    files:
      - {path: /etc/a.conf, content: "a\n"}
      - {path: /etc/b.conf, content: "b\n", mode: "0640"}
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


def text_of(path: str) -> str | None:
    """What stands in a file; None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return None


def properties(path: str, each: dict[str, Any]) -> bool:
    """Whether mode and owner of a file that is there are as wanted."""
    found = os.stat(path)
    owner = pwd.getpwuid(found.st_uid).pw_name if "owner" in each else None
    group = grp.getgrgid(found.st_gid).gr_name if "group" in each else None
    mode = int(str(each.get("mode", "0644")), 8)
    return (
        stat.S_IMODE(found.st_mode) == mode
        and owner == each.get("owner")
        and group == each.get("group")
    )


def write(each: dict[str, Any]) -> None:
    """Write one file: beside it first, then in its place."""
    folder = os.path.dirname(each["path"])
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, partial = tempfile.mkstemp(prefix=".landfall-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(each["content"])
            file.flush()
            os.fsync(file.fileno())
        os.chmod(partial, int(str(each.get("mode", "0644")), 8))
        uid = pwd.getpwnam(each["owner"]).pw_uid if "owner" in each else -1
        gid = grp.getgrnam(each["group"]).gr_gid if "group" in each else -1
        os.chown(partial, uid, gid)
        os.replace(partial, each["path"])
    except BaseException:
        os.unlink(partial)
        raise


def unlisted(patterns: list[str], listed: set[str]) -> list[str]:
    """Files that stand where only listed ones may."""
    found = {path for pattern in patterns for path in glob.glob(pattern)}
    return sorted(path for path in found - listed if fnmatch.fnmatch(path, "/*"))


def main() -> None:
    """Compare, and write what differs."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True},
            "only": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    files = module.params["files"]
    written, diff = [], []
    for each in files:
        path, before = each["path"], text_of(each["path"])
        if before == each["content"] and properties(path, each):
            continue
        written.append(path)
        diff.append({"before_header": path, "after_header": path,
                     "before": before or "", "after": each["content"]})  # fmt: skip
        if not module.check_mode:
            write(each)
    removed = unlisted(module.params["only"], {each["path"] for each in files})
    for path in removed:
        diff.append({"before_header": path, "after_header": path,
                     "before": text_of(path) or "", "after": ""})  # fmt: skip
        if not module.check_mode:
            os.unlink(path)
    changed = bool(written or removed)
    module.exit_json(changed=changed, written=written, removed=removed, diff=diff)


if __name__ == "__main__":
    main()
