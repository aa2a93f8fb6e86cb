"""Building for a GPU on a booted host: only where nobody is served, and what is brought back.

Podman and the program that builds are stand-ins; the playbook is the real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT
from tests.playbooks import stand_in
from tests.playbooks.one_host import BIN, OneHost, booted

pytestmark = pytest.mark.host

REGISTRY = "registry.site:5000"
IMAGE = f"mirror/tensorrt-llm@sha256:{'a' * 64}"
KEY = "f" * 64
FOLDER = f"/var/lib/landfall/build/{KEY}"
PODMAN = """#!/bin/sh
echo "$@" >>/root/podman.log
case "$1" in
    image) [ -e /root/pulled ] ;;
    pull) touch /root/pulled ;;
    images) echo "[]" ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A host with a stand-in podman, and the files of a build on the controller."""

    host: OneHost
    folder: Path
    wheels: dict[str, str]

    @property
    def out(self) -> Path:
        return self.folder / "built" / "engine"

    def play(self, *words: str, fails: bool = False, group: str = "build_hosts") -> str:
        inventory = json.loads(self.host.inventory.read_text())
        inventory["all"]["children"] = {group: {"hosts": dict.fromkeys(inventory["all"]["hosts"])}}
        hosts = self.folder / "grouped.json"
        hosts.write_text(json.dumps(inventory))
        given: dict[str, Any] = {
            "landfall_wheelhouse": self.wheels,
            "build_host": "t-1",
            "build_key": KEY,
            "build_plan": str(self.folder / "plan.json"),
            "build_source": str(self.folder / "model"),
            "build_out": str(self.out),
            "build_image": IMAGE,
            "build_registry": REGISTRY,
            "build_timings": str(self.folder / "kept.cache"),
            "build_beside": [{"place": "adapters/law", "folder": str(self.folder / "law")}],
        }
        values = stand_in.write(self.folder / "given.json", given)
        program: list[str | Path] = [BIN / "ansible-playbook", "-i", hosts, "-e", f"@{values}"]
        done = process.run(
            [*program, ROOT / "playbooks/build.yml", *words],
            cwd=ROOT,
            env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, output[-6000:]
        return output

    @property
    def podman(self) -> list[str]:
        """What podman was asked for."""
        return self.host.ssh("cat /root/podman.log; true").splitlines()


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    folder = tmp_path_factory.mktemp("build")
    for name, content in (
        ("plan.json", "plan"), ("kept.cache", "tactics"), ("model/weights", "w"), ("law/rank", "8"),
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    with booted(folder, net=93) as (host, rack):
        digest = stand_in.wheelhouse(folder / "wheelhouse" / "wheels")
        wheels = {"url": f"{rack.packages_url}/wheelhouse/wheels/", "digest": digest}
        program = json.dumps(PODMAN)
        host.ssh(f'python3 -c \'open("/usr/bin/podman", "w").write({program})\'')
        host.ssh("chmod 755 /usr/bin/podman")
        yield Builder(host=host, folder=folder, wheels=wheels)


def test_a_host_that_serves_is_refused_before_anything_is_done(builder: Builder) -> None:
    said = builder.play(fails=True, group="gpu_hosts")
    assert "t-1 serves, and is not drained: a build takes its GPUs" in " ".join(said.split())
    assert builder.podman == []
    assert builder.host.ssh("ls /var/lib/landfall /opt/landfall 2>/dev/null; true") == ""


def test_check_mode_pulls_and_builds_nothing(builder: Builder) -> None:
    builder.play("--check")
    assert not any(line.startswith("pull") for line in builder.podman)
    assert not builder.out.exists()


def test_a_host_that_is_drained_builds_and_keeps_nobodys_key(builder: Builder) -> None:
    builder.host.ssh("mkdir -p /etc/landfall; echo '{}' >/etc/landfall/drained")
    builder.play(group="gpu_hosts")
    assert f"pull --quiet {REGISTRY}/{IMAGE}" in builder.podman
    assert (builder.out / "model").read_text() == "planw8"
    assert (builder.out / "timing.cache").read_text() == "tactics"
    assert builder.out.with_name("engine.log").read_text() == f"built from {REGISTRY}"
    files = builder.host.ssh(f"find {FOLDER} /etc/landfall -type f").split()
    assert sorted(path.removeprefix(f"{FOLDER}/") for path in files) == [
        "/etc/landfall/drained", "beside/adapters/law/rank", "engine.log", "engine.tar",
        "engine/model", "engine/timing.cache", "plan.json", "source/weights", "timings.cache",
    ]  # fmt: skip


def test_a_second_run_changes_nothing(builder: Builder) -> None:
    said = builder.play()
    assert "changed=0" in said
    assert sum(line.startswith("pull") for line in builder.podman) == 1
