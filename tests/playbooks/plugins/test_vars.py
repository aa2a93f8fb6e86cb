"""The vars plugin: what Ansible asks of it with every task."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from landfall import process
from landfall.model.environment import ROOT

COUNTED = """
import os
from pathlib import Path

with Path(__file__).with_suffix(".loaded").open("a") as log:
    log.write(f"{os.getpid()}\\n")


class FilterModule:
    def filters(self):
        return {"counted": str}
"""


@pytest.mark.slow
def test_filters_are_loaded_once_for_all_tasks(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(COUNTED)
    told = {"ansible.builtin.debug": {"msg": "{{ 1 | counted }}"}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [told] * 3}
    playbook = tmp_path / "play.json"
    playbook.write_text(json.dumps([play]))
    program = Path(sys.executable).with_name("ansible-playbook")
    process.run(
        [program, "-i", "localhost,", playbook],
        env={
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_FILTER_PLUGINS": f"{tmp_path}:{ROOT / 'playbooks/plugins/filter'}",
        },
    )
    assert len((tmp_path / "counted.loaded").read_text().split()) == 1
