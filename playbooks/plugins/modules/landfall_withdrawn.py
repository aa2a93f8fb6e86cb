#!/usr/bin/python
"""What the host's judge has taken out of the traffic, against what the release says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: landfall_withdrawn
short_description: Compare what the host's judge has taken out with the release
description:
  - A canary that the release still gives a share stays out, and is reported as drift.
  - What no release names any more is forgotten.
  - Supports check mode.
options:
  folder:
    description: Where a file takes a canary out.
    type: path
    required: true
  trials:
    description: The canaries of the release, with C(name), C(mark), C(share) and C(canary).
    type: list
    elements: dict
    required: true
author:
  - Landfall
"""

EXAMPLES = r"""
- name: Compare what was taken out with the release
  landfall_withdrawn:
    folder: /etc/landfall/withdrawn
    trials: []
"""

RETURN = r"""
drift:
  description: What differs from the release and stays so, each with C(id), C(summary), C(reasons).
  returned: always
  type: list
  elements: dict
removed:
  description: The paths that were removed, or would be.
  returned: always
  type: list
  elements: str
"""


def reasons(path: Path) -> list[str]:
    """Why a canary was taken out; a mark made by hand may hold anything."""
    try:
        return [str(each) for each in json.loads(path.read_text())["reasons"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ["the mark on the host gives no reason"]


def drift(trial: dict[str, Any], path: Path) -> dict[str, Any]:
    """A canary that is out though the release gives it a share."""
    short = str(trial["canary"]["key"])[:12]
    return {
        "id": trial["mark"],
        "summary": (
            f"{trial['name']}: the release gives {short} {trial['share']} percent, the host's judge"
            " has taken it out"
        ),
        "reasons": reasons(path),
    }


def compare(folder: Path, trials: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Path]]:
    """What differs from the release and stays, and what no release names any more."""
    wanted = {str(each["mark"]): each for each in trials}
    marks = sorted(each for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []
    stale = [each for each in marks if each.name not in wanted]
    return [drift(wanted[each.name], each) for each in marks if each.name in wanted], stale


def main() -> None:
    """Do what the task asks."""
    module = AnsibleModule(
        argument_spec={
            "folder": {"type": "path", "required": True},
            "trials": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    found, stale = compare(Path(module.params["folder"]), module.params["trials"])
    if not module.check_mode:
        for each in stale:
            each.unlink(missing_ok=True)
    module.exit_json(changed=bool(stale), drift=found, removed=[str(each) for each in stale])


if __name__ == "__main__":
    main()
