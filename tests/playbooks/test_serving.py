"""What the role `serving` decides about engines in containers: by itself, and in a real Ansible."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT
from tests.playbooks.loading import plugin
from tests.templates.test_contained import FOLDER, LISTS, MIRROR, engine

ROLE = plugin("filter", "landfall_serving")
GPUS = [{"model": "NVIDIA L40S", "count": 2, "numa_nodes": [0, 1]}]
CPU = {"key": "c" * 64, "name": "tiny-lm", "port": 20003, "slots": 4, "share": 100, "max_queue": 1}
WHERE = {"folder": FOLDER, "registry": MIRROR, "shared_memory": "16g"}


def gpu_engine(letter: str, **more: Any) -> dict[str, Any]:
    own = {"key": letter * 64, "slots": 4, "max_queue": 8, **more}
    return engine("summariser-l40s", **own)


def unit(letter: str, gpus: str) -> str:
    return f"/etc/systemd/system/landfall-engine-{letter * 12}.service:GPUs={gpus}"


def test_an_engine_of_each_kind_gets_its_own_unit() -> None:
    own, contained = ROLE.placed([CPU, gpu_engine("a")], GPUS, [], [], **WHERE)
    assert (own["unit"], own["health"]) == ("landfall-engine", "/health/ready")
    assert (contained["unit"], contained["health"]) == ("landfall-engine-container", "/health")
    assert (contained["gpus"], contained["nodes"]) == ([0], [0])
    assert ROLE.processors(contained, LISTS)["processors"] == "0-31,64-95"
    assert ROLE.processors(own, LISTS)["processors"] == ""


def test_what_units_on_the_host_hold_stays_theirs() -> None:
    held = [unit("b", "0"), unit("a", "1")]
    a, b = ROLE.placed([gpu_engine("a"), gpu_engine("b")], GPUS, held, [], **WHERE)
    assert (a["gpus"], b["gpus"]) == ([1], [0])
    [refused] = ROLE.refusals([gpu_engine("d"), gpu_engine("a")], GPUS, held, [])
    assert refused.startswith("summariser dddddddddddd: needs 1 of NVIDIA L40S")
    assert "GPU 0 has bbbbbbbbbbbb, which runs until it is retired" in refused


def test_every_reason_is_told_at_once() -> None:
    broken = gpu_engine("a")
    broken["contained"] = {**broken["contained"], "digest": "", "model": "A40"}
    found = ROLE.refusals([broken], GPUS, [], [])
    assert len(found) == 2


def test_a_way_back_without_room_is_told() -> None:
    engines = [gpu_engine("a"), gpu_engine("b")]
    assert ROLE.without_a_way_back(engines, [], GPUS, [], []) == []
    assert ROLE.without_a_way_back(engines[:1], engines[1:], GPUS, [], []) == []
    [told] = ROLE.without_a_way_back(engines, [gpu_engine("d")], GPUS, [], [])
    assert told.startswith("summariser dddddddddddd: needs 1")
    assert ROLE.without_a_way_back(engines, [gpu_engine("d")], GPUS, [], ["summariser"]) == []


def test_images_and_metrics() -> None:
    image = {"image": "engines/tensorrt_llm", "digest": f"sha256:{'a' * 64}"}
    assert ROLE.images([CPU, gpu_engine("a"), gpu_engine("b")]) == [image]
    pytorch = engine("assistant-l40s", key="d" * 64)
    paths = [each["path"] for each in ROLE.metrics([CPU, gpu_engine("a"), pytorch])]
    assert paths == ["/metrics", "/health", "/prometheus/metrics"]


def play(folder: Path, *words: str, **values: Any) -> process.Completed:
    """The role up to its first file, on this machine: it only reads."""
    validate = {"name": "serving", "tasks_from": "validate", "public": True}
    tell = {
        "content": "{{ __serving_placed | to_json }}",
        "dest": str(folder / "placed.json"),
        "mode": "0600",
    }
    tasks = [
        {"name": "Validate", "ansible.builtin.include_role": validate},
        {"name": "Tell", "ansible.builtin.copy": tell, "check_mode": False},
    ]
    given = {
        "serving_python": "/opt/python",
        "serving_engine_folder": FOLDER,
        "serving_registry": MIRROR,
        **values,
    }
    play = {
        "hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given,
        "tasks": tasks,
    }  # fmt: skip
    (folder / "play.json").write_text(json.dumps([play]))
    return process.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", *words,
         folder / "play.json"],
        cwd=ROOT,
        env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        check=False,
    )  # fmt: skip


@pytest.mark.services
@pytest.mark.parametrize("words", [[], ["--check"]])
def test_ansible_decides_the_same_in_check_mode(tmp_path: Path, words: list[str]) -> None:
    engines = [CPU, gpu_engine("a"), gpu_engine("b")]
    gpus = [{"model": "NVIDIA L40S", "count": 2, "numa_nodes": [0, 0]}]
    done = play(tmp_path, *words, serving_engines=engines, serving_gpus=gpus)
    assert done.returncode == 0, done.stdout
    found = json.loads((tmp_path / "placed.json").read_text())
    assert [each.get("gpus") for each in found] == [None, [0], [1]]
    node = "/sys/devices/system/node/node0/cpulist"
    listed = f"{node}:{Path(node).read_text()}"
    placed = ROLE.placed(engines, gpus, [], [], **WHERE)
    assert found == [ROLE.processors(each, listed) for each in placed]


@pytest.mark.services
def test_ansible_refuses_what_does_not_fit_and_tells_of_the_way_back(tmp_path: Path) -> None:
    gpus = [{"model": "NVIDIA L40S", "count": 1}]
    done = play(
        tmp_path,
        serving_engines=[gpu_engine("a")],
        serving_standby=[gpu_engine("b")],
        serving_gpus=gpus,
    )
    assert done.returncode == 0, done.stdout
    assert "No room beside what answers now:" in done.stdout
    done = play(tmp_path, serving_engines=[gpu_engine("a"), gpu_engine("b")], serving_gpus=gpus)
    assert done.returncode != 0
    assert "bbbbbbbbbbbb: needs 1 of NVIDIA L40S; this host has 1" in done.stdout
    assert "serving_replace on a host that is drained" in done.stdout


@pytest.mark.services
def test_a_host_without_such_engines_is_asked_nothing(tmp_path: Path) -> None:
    done = play(tmp_path, serving_engines=[CPU])
    assert done.returncode == 0, done.stdout
    assert "skipping: [localhost]" in done.stdout
    [own] = json.loads((tmp_path / "placed.json").read_text())
    assert own["unit"] == "landfall-engine"
