"""Containers on an emulated server: a real registry with TLS, real podman, the role's units.

The role's files are laid out at once, because a play takes minutes in an emulated server; then the
role itself finds nothing to change, and makes the next release.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from landfall import process, render
from landfall.model import container
from landfall.model.environment import ROOT, cache_folder
from rehearsal.virtual import snapshot
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from rehearsal.virtual.machine import SERVICES_ADDRESS
from rehearsal.virtual.rack import VirtualRack
from tests.playbooks import registry as registries
from tests.playbooks.one_host import Played, prepare
from tests.playbooks.registry import Registry
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

PORT = 5000
MIRROR = f"{SERVICES_ADDRESS}:{PORT}"
FILES = (
    "etc/containers/containers.conf",
    "etc/containers/policy.json",
    "etc/containers/registries.conf",
    "etc/containers/storage.conf",
    "etc/systemd/system/landfall-container.service",
)
WEB = ["httpd", "-f", "-p", "8090", "-h", "/www"]


@dataclass
class Racked:
    """A server, the registry that it reaches, and the role played on it."""

    guest: Guest
    registry: Registry
    playbooks: Playbooks
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)

    def play(self, *words: str, tasks_from: str = "main", check: bool = True) -> Played:
        role = {"name": "runtime", "tasks_from": tasks_from}
        tasks = [{"name": "runtime", "ansible.builtin.import_role": role}]
        playbook = self.folder / "playbooks/play.json"
        playbook.write_text(json.dumps([{"hosts": "gpu_hosts", "tasks": tasks}]))
        done = self.playbooks.play(
            str(playbook), *words, hosts={self.guest: {}}, values=self.values, check=check
        )
        return Played(output=done.output, counts=dict(done.counts[self.guest.name]), seconds=0)

    def lay_out(self, tree: Path) -> None:
        """What the role would write, through the same templates."""
        [asked] = self.values["runtime_containers"]
        spec = yaml.safe_load((ROOT / "playbooks/roles/runtime/defaults/main.yml").read_text())
        command = container.quoted(container.arguments(asked, MIRROR))
        values = {**spec, **self.values, "runtime_container": asked, "__runtime_command": command}
        for name in FILES:
            path = tree / name.replace("container.service", "container-web.service")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render.render(f"{name}.j2", values))
        certificates = tree / "etc/containers/certs.d" / MIRROR
        certificates.mkdir(parents=True)
        shutil.copy(self.registry.ca, certificates / "ca.crt")
        words = shlex.join([str(word) for word in self.guest.ssh()])
        pack = f"tar -C {tree} --owner=0 --group=0 --mode=u=rwX,go=rX -cf - etc"
        process.run(["bash", "-c", f"set -o pipefail; {pack} | {words} tar -C / -xf -"])

    def page(self) -> str:
        script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8090/').read())"
        return self.guest.run(f'python3 -c "{script}"', check=False)

    def answers(self, text: str) -> bool:
        return process.wait_until(lambda: text in self.page(), timeout_s=300, interval_s=2)

    def release(self, digest: str, previous: str | None = None) -> None:
        web = {"name": "web", "image": "site/web", "digest": digest, "network": "host"}
        asked = {**web, "memory_max": "64M", "environment": {"PRICE": "5$ 10%"}}
        self.values["runtime_containers"] = [asked | ({"previous": previous} if previous else {})]


@pytest.fixture(scope="module")
def racked(
    boot: Boot,
    rack: VirtualRack,
    playbooks: Playbooks,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Racked]:
    folder = tmp_path_factory.mktemp("runtime")
    if lacks := registries.missing():
        pytest.skip(f"cannot run here: {lacks}")
    prepare(folder)
    with registries.running(folder / "registry", SERVICES_ADDRESS) as registry:
        service = rack.service(PORT, "127.0.0.1", registry.port)
        guest = rack.guest(server("rt-1", disk_mib=64), services=[service])
        boot.stack.callback(boot._remove, guest)
        snapshot.start(guest, snapshot.ensure(cache_folder(), rack.image, print))
        made = Racked(guest, registry, playbooks, folder)
        made.values = {"runtime_registry": MIRROR, "runtime_registry_ca": str(registry.ca)}
        yield made


@pytest.fixture(scope="module")
def digests(racked: Racked) -> list[str]:
    return [
        racked.registry.push("site/web", {"www/index.html": f"page {number}\n"}, WEB)
        for number in range(3)
    ]


def test_a_container_is_fetched_by_digest_and_answers(
    racked: Racked, digests: list[str], tmp_path: Path
) -> None:
    racked.release(digests[0])
    racked.lay_out(tmp_path / "tree")
    racked.guest.run(f"podman pull --quiet {MIRROR}/site/web@{digests[0]}", timeout_s=300)
    unit = "landfall-container-web"
    racked.guest.run(f"systemctl daemon-reload && systemctl enable --now {unit}", timeout_s=300)
    assert racked.answers("page 0")
    inspected = json.loads(racked.guest.run("podman inspect landfall-container-web"))
    assert container.wrong(inspected, racked.values["runtime_containers"]) == []


def test_it_has_no_rights_to_spare_and_lives_in_its_unit(racked: Racked) -> None:
    unit = "landfall-container-web.service"
    pid = racked.guest.run("pgrep -o httpd").strip()
    status = racked.guest.run(f"cat /proc/{pid}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    cgroup = racked.guest.run(f"cat /proc/{pid}/cgroup").strip()
    assert f"/system.slice/{unit}/" in cgroup
    limit = racked.guest.run(f"cat /sys/fs/cgroup/system.slice/{unit}/memory.max")
    assert limit.strip() == str(64 * 2**20)
    touched = racked.guest.run("podman exec landfall-container-web touch /x 2>&1; true")
    assert "Read-only file system" in touched
    assert "PRICE=5$ 10%" in racked.guest.run(f"tr '\\0' '\\n' < /proc/{pid}/environ")


def test_it_comes_back_after_a_kill(racked: Racked) -> None:
    pid = racked.guest.run("pgrep -o httpd").strip()
    racked.guest.run(f"kill -9 {pid}")
    assert racked.answers("page 0")
    assert racked.guest.run("pgrep -o httpd").strip() != pid


def test_changed_bytes_and_other_registries_are_refused(racked: Racked) -> None:
    bad = racked.registry.push("site/web", {"www/index.html": "evil\n"}, WEB)
    [layer] = racked.registry.layers("site/web", bad)
    racked.registry.tamper(layer)
    for reference in (f"{MIRROR}/site/web@{bad}", f"other.example/site/web@{bad}", "busybox"):
        refused = racked.guest.run(f"podman pull {reference} >/dev/null 2>&1; echo code $?")
        assert "code 125" in refused, reference
    assert "page 0" in racked.page()


def test_it_starts_at_boot_without_the_registry(racked: Racked) -> None:
    with racked.registry.down():
        racked.guest.reboot()
        assert racked.answers("page 0")


def test_the_role_finds_all_of_it_as_it_should_be(racked: Racked) -> None:
    assert racked.play("--diff").counts["changed"] == 0


def test_a_release_replaces_it_and_keeps_the_one_before_only(
    racked: Racked, digests: list[str]
) -> None:
    racked.release(digests[1], digests[0])
    racked.play()
    assert racked.answers("page 1")
    racked.release(digests[2], digests[1])
    racked.play()
    assert racked.answers("page 2")
    racked.play(tasks_from="retire")
    kept = racked.guest.run("podman images --all --digests --format '{{.Digest}}'")
    assert digests[0] not in kept
    assert {digests[1], digests[2]} <= set(kept.split())
    assert "page 2" in racked.page()


def test_what_is_no_longer_listed_goes(racked: Racked, digests: list[str]) -> None:
    racked.values["runtime_containers"] = []
    racked.play()
    assert "page 2" in racked.page()  # only retiring stops anything
    racked.play(tasks_from="retire")
    assert (
        racked.guest.run("ls /etc/systemd/system | grep -c landfall-container; true").strip() == "0"
    )
    assert "page" not in racked.page()
    assert racked.guest.run("podman images --quiet").strip() == ""
