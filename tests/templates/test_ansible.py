"""Ansible's template module and landfall.render write the same bytes, for every template."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from engines.serve.__main__ import _parser
from landfall import process, render
from landfall.model.environment import ROOT
from tests.templates import test_contained as contained
from tests.templates.gateway_under_test import VALUES

ENGINE: dict[str, Any] = {
    "key": "1" * 64,
    "name": "tiny-lm",
    "port": 20001,
    "share": 90,
    "slots": 4,
    "max_queue": 32,
    "max_new_tokens": 200,
}
ENGINE_UNIT = "systemd/landfall-engine.service.j2"
KNOWN: dict[str, dict[str, Any]] = {
    "nginx/landfall.conf.j2": VALUES,
    ENGINE_UNIT: {
        "serving_engine": ENGINE,
        "serving_python": "/opt/landfall/env-0/bin/python",
        "serving_engine_folder": "/var/lib/landfall/engines",
        "serving_mount": "",
        "serving_memory_max": "2G",
        "serving_ready_timeout_s": 90,
        "serving_drain_s": 30,
    },
    contained.TEMPLATE: contained.values("vllm"),
    "systemd/landfall-gateway-keys.service.j2": {
        "__gateway_credential": "/etc/credstore.encrypted/landfall-gateway-keys",
        "gateway_keys_file": VALUES["gateway_keys_file"],
    },
    "systemd/landfall-judge.service.j2": {
        "judge_python": "/opt/landfall/env-0/bin/python",
        "judge_withdrawn_folder": "/etc/landfall/withdrawn",
    },
    "systemd/landfall-judge.timer.j2": {"judge_every_s": 30},
    "systemd/landfall-gateway.conf.j2": {"gateway_keys_file": VALUES["gateway_keys_file"]},
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


def unit(**more: Any) -> str:
    """The engine's unit, with other values of the engine or of the role."""
    engine = {name: more.pop(name, value) for name, value in ENGINE.items()}
    return render.render(ENGINE_UNIT, {**KNOWN[ENGINE_UNIT], "serving_engine": engine, **more})


def test_the_server_understands_the_command_line_of_the_unit() -> None:
    for given, longest in ((200, 200), (None, None)):
        text = unit(max_new_tokens=given).replace("\\\n", " ")
        [line] = [line for line in text.splitlines() if line.startswith("ExecStart=")]
        asked = _parser().parse_args(shlex.split(line.partition("engines.serve")[2]))
        assert (asked.slots, asked.max_queue, asked.max_new_tokens) == (4, 32, longest)


@pytest.mark.parametrize("mount", ["/srv/data", "/srv/big-disks/model.store"])
def test_an_engine_comes_with_the_file_system_that_it_lies_on(mount: str) -> None:
    lines = unit(serving_mount=mount).splitlines()
    escaped = process.run(["systemd-escape", "--path", "--suffix=mount", mount]).stdout.strip()
    assert f"RequiresMountsFor={mount}" in lines
    assert f"WantedBy={escaped}" in lines
    assert "Mounts" not in unit()


@pytest.mark.parametrize("drain_s", [0, 30, 300])
def test_systemd_waits_longer_than_the_server_drains(drain_s: int) -> None:
    text = unit(serving_drain_s=drain_s)
    assert f"--drain-s {drain_s}\n" in text
    [patience] = [line for line in text.splitlines() if line.startswith("TimeoutStopSec=")]
    assert int(patience.partition("=")[2]) >= drain_s + 10


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
@pytest.mark.parametrize("name", ["landfall-judge.service", "landfall-judge.timer"])
def test_systemd_accepts_the_judge(tmp_path: Path, name: str) -> None:
    for each in ("landfall-judge.service", "landfall-judge.timer"):
        template = f"systemd/{each}.j2"
        values = {**KNOWN[template], "judge_python": sys.executable}
        (tmp_path / each).write_text(render.render(template, values))
    done = process.run(["systemd-analyze", "verify", tmp_path / name], check=False)
    assert [line for line in done.stderr.splitlines() if "landfall-judge" in line] == []


@pytest.mark.services
def test_systemd_accepts_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "landfall-engine-1.service"
    path.write_text(unit(serving_python=sys.executable))
    done = process.run(["systemd-analyze", "verify", path], check=False)
    complaints = [line for line in done.stderr.splitlines() if path.name in line]
    assert complaints == []
