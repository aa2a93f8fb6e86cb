"""What playbooks/vars/site.yml gives to edges and to other hosts of a site with two edges."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from landfall.model import site
from landfall.model.environment import ROOT, find
from tests.playbooks import links

pytestmark = pytest.mark.slow

NAMES = (
    "link_peers", "link_source", "firewall_edges", "firewall_dns_listen", "firewall_resolvers",
    "firewall_routes",
)  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """By host, the values that roles would get."""
    folder = tmp_path_factory.mktemp("given")
    content = "{{ {" + ", ".join(f"'{each}': {each}" for each in NAMES) + "} | to_json }}"
    target = {"dest": f"{folder}/{{{{ inventory_hostname }}}}.json", "mode": "0600"}
    play = {
        "hosts": "all", "connection": "local", "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "vars_files": [str(ROOT / "playbooks/vars/site.yml")],
        "tasks": [{"name": "Tell", "ansible.builtin.copy": {"content": content, **target}}],
    }  # fmt: skip
    (folder / "play.yml").write_text(json.dumps([play]))
    told = links.handoff(site.load(find("prod")))
    extra = {"landfall_handoff": told, "link_dns_listen": ["10.64.48.2"]}
    (folder / "extra.json.given").write_text(json.dumps(extra))
    program = Path(sys.executable).with_name("ansible-playbook")
    words: list[str | Path] = ["-i", ROOT / "inventories/prod", "-e", f"@{folder}/extra.json.given"]
    process.run(
        [program, *words, folder / "play.yml"],
        cwd=ROOT,
        env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    return {each.stem: json.loads(each.read_text()) for each in folder.glob("*.json")}


def test_each_edge_knows_the_other_and_lets_its_routes_in(given: dict[str, Any]) -> None:
    assert given["edge-a"] == {
        "link_peers": ["10.64.48.3"],
        "link_source": "10.64.48.2",
        "firewall_edges": ["10.64.48.3"],
        "firewall_dns_listen": ["10.64.48.2"],
        "firewall_resolvers": ["10.100.0.10", "10.100.64.10"],
        "firewall_routes": True,
    }
    assert given["edge-b"]["firewall_edges"] == ["10.64.48.2"]


def test_other_hosts_ask_for_names_and_answer_nothing_of_it(given: dict[str, Any]) -> None:
    assert given["gpu-1"]["firewall_resolvers"] == ["10.100.0.10", "10.100.64.10"]
    assert given["gpu-1"]["firewall_edges"] == given["gpu-1"]["firewall_dns_listen"] == []
    assert given["gpu-1"]["firewall_routes"] is False
