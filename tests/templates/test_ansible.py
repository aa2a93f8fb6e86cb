"""Ansible's template module and landfall.render write the same bytes, for every template."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from landfall import process, render
from landfall.model.environment import ROOT
from tests.templates.gateway_under_test import VALUES

ENGINE = {"key": "1" * 64, "name": "tiny-lm", "port": 20001, "share": 90, "slots": 4}
KNOWN: dict[str, dict[str, Any]] = {
    "nginx/landfall.conf.j2": VALUES,
    "systemd/landfall-engine.service.j2": {
        "serving_engine": ENGINE,
        "serving_python": "/opt/landfall/env-0/bin/python",
        "serving_engine_folder": "/var/lib/landfall/engines",
        "serving_memory_max": "2G",
        "serving_ready_timeout_s": 90,
    },
    "systemd/landfall-gateway-keys.service.j2": {
        "__gateway_credential": "/etc/credstore.encrypted/landfall-gateway-keys",
        "gateway_keys_file": VALUES["gateway_keys_file"],
    },
    "systemd/landfall-gateway.conf.j2": {},
}


def test_every_template_of_the_site_is_known_here() -> None:
    folders = [render.TEMPLATES / name for name in ("nginx", "systemd")]
    found = {
        str(path.relative_to(render.TEMPLATES)) for each in folders for path in each.glob("*.j2")
    }
    assert found == set(KNOWN)


@pytest.mark.parametrize("template", sorted(name for name in KNOWN if name.startswith("systemd")))
def test_the_text_is_what_was_reviewed(template: str) -> None:
    golden = Path(__file__).parent / f"{Path(template).stem}.golden"
    assert render.render(template, KNOWN[template]) == golden.read_text()


@pytest.mark.services
def test_ansible_writes_the_same_bytes(tmp_path: Path) -> None:
    tasks = [
        {
            "name": template,
            "ansible.builtin.template": {
                "src": str(render.TEMPLATES / template),
                "dest": str(tmp_path / Path(template).name),
            },
            "vars": values,
        }
        for template, values in KNOWN.items()
    ]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    playbook = tmp_path / "play.json"
    playbook.write_text(json.dumps(play))
    process.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", playbook],
        cwd=ROOT,
        env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    for template, values in KNOWN.items():
        written = (tmp_path / Path(template).name).read_bytes()
        assert written == render.render(template, values).encode(), template


@pytest.mark.services
def test_systemd_accepts_the_engine(tmp_path: Path) -> None:
    name = "systemd/landfall-engine.service.j2"
    values = {**KNOWN[name], "serving_python": sys.executable}
    unit = tmp_path / "landfall-engine-1.service"
    unit.write_text(render.render(name, values))
    done = process.run(["systemd-analyze", "verify", unit], check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert complaints == []
