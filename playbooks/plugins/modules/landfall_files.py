#!/usr/bin/python
"""Write several small files in one step, each atomically, with the folders that they stand in."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: landfall_files
short_description: Write several small files in one step, each atomically
description:
  - One round trip for all files of a role; on a slow machine each one more costs seconds.
  - Folders that are missing are made. Every file is checked before the first is written.
  - The result has C(written), the paths that changed. Supports check mode and diff.
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
      validate:
        description: A program with its arguments that is given a copy and says whether it is right.
        type: list
        elements: str
        default: []
"""

FOLDER_MODE = 0o755


def read(path: Path) -> str:
    """The text of a file; "" where there is none, or a link in its place."""
    return path.read_text(errors="replace") if path.is_file() and not path.is_symlink() else ""


def differs(path: Path, content: str, mode: int) -> bool:
    """Whether a file has another text or other permissions, or is not there."""
    if not path.is_file() or path.is_symlink():
        return True
    found = path.stat()
    owned = (found.st_uid, found.st_gid) == (0, 0) or os.geteuid() != 0
    return read(path) != content or stat.S_IMODE(found.st_mode) != mode or not owned


def write(path: Path, content: str, mode: int) -> None:
    """Write a file so that a reader, or a power cut, finds the old one or the new one."""
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with part.open("w") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    part.replace(path)


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


def main() -> None:
    """What Ansible runs."""
    each_file = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
        "validate": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": each_file}
        },
        supports_check_mode=True,
    )
    todo = [
        each
        for each in module.params["files"]
        if differs(Path(each["path"]), each["content"], int(each["mode"], 8))
    ]
    diff = [
        {
            "before_header": each["path"],
            "after_header": f"{each['path']} (mode {each['mode']})",
            "before": read(Path(each["path"])),
            "after": each["content"],
        }
        for each in todo
    ]
    if not module.check_mode:
        problems = [found for each in todo if (found := problem(module, each))]
        if problems:
            module.fail_json(msg="nothing was written: " + "; ".join(problems))
        for each in todo:
            write(Path(each["path"]), each["content"], int(each["mode"], 8))
    written = [each["path"] for each in todo]
    module.exit_json(changed=bool(todo), written=written, diff=diff)


if __name__ == "__main__":
    main()
