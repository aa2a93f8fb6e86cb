"""Steps of a build on an emulated server: real podman, with the words that builds ask it with.

The tools of the image are busybox: what is seen here is the container, not what runs in it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from engines import podman
from engines.layout import Mount
from engines.podman import Container
from landfall import process, render
from landfall.model.container import PREFIX
from landfall.model.environment import ROOT, cache_folder
from rehearsal.virtual import snapshot
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from rehearsal.virtual.machine import SERVICES_ADDRESS
from rehearsal.virtual.rack import VirtualRack
from tests.playbooks import registry as registries
from tests.playbooks.registry import Registry
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

PORT = 5000
MIRROR = f"{SERVICES_ADDRESS}:{PORT}"
FILES = ("containers.conf", "policy.json", "registries.conf", "storage.conf")
NAME = "build-0123456789ab"
SERVE = ["httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/www"]


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A server with an image, a model and a folder to work in."""

    guest: Guest
    image: str

    def container(self, **environment: str) -> Container:
        mounts = (
            Mount(source=Path("/srv/model"), target="/model"),
            Mount(source=Path("/srv/partial"), target="/work", writable=True),
            Mount(source=Path("/srv/step-1/checkpoint"), target="/work/checkpoint"),
        )
        return Container(
            name=NAME, image=self.image, registry=MIRROR, mounts=mounts, environment=environment
        )

    def words(self, argv: Sequence[str], **environment: str) -> str:
        """What is typed to run a step."""
        return shlex.join(map(str, podman.command(self.container(**environment), argv)))

    def step(self, script: str, **environment: str) -> str:
        """What a step prints, both streams, and its code."""
        words = self.words(["sh", "-c", script], **environment)
        return self.guest.run(f"{words} 2>&1; echo code $?", timeout_s=300)

    def gone(self) -> bool:
        there = self.guest.run(f"podman ps --all --quiet --filter name={PREFIX}{NAME}")
        return not there.strip()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if lacks := registries.missing():
        pytest.skip(f"cannot run here: {lacks}")
    folder = tmp_path_factory.mktemp("build")
    with registries.running(folder / "registry", SERVICES_ADDRESS) as found:
        yield found


@pytest.fixture(scope="module")
def builder(
    boot: Boot, rack: VirtualRack, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Builder:
    service = rack.service(PORT, "127.0.0.1", registry.port)
    guest = rack.guest(server("bd-1", disk_mib=64), services=[service])
    boot.stack.callback(boot._remove, guest)
    snapshot.start(guest, snapshot.ensure(cache_folder(), rack.image, print))
    lay_out(guest, registry, tmp_path_factory.mktemp("tree"))
    digest = registry.push("site/tools", {"www/index.html": "served\n"}, ["sh"])
    guest.run(f"podman pull --quiet {MIRROR}/site/tools@{digest}", timeout_s=300)
    guest.run("mkdir -p /srv/model /srv/partial/checkpoint /srv/step-1/checkpoint")
    guest.run("echo weights >/srv/model/w; echo made >/srv/step-1/checkpoint/c")
    return Builder(guest=guest, image=f"site/tools@{digest}")


def lay_out(guest: Guest, registry: Registry, tree: Path) -> None:
    """The files of the role runtime, through its templates: a play takes minutes here."""
    values = yaml.safe_load((ROOT / "playbooks/roles/runtime/defaults/main.yml").read_text())
    values |= {"runtime_registry": MIRROR}
    folder = tree / "etc/containers"
    (folder / "certs.d" / MIRROR).mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(render.render(f"etc/containers/{name}.j2", values))
    (folder / "certs.d" / MIRROR / "ca.crt").write_bytes(registry.ca.read_bytes())
    words = shlex.join([str(word) for word in guest.ssh()])
    pack = f"tar -C {tree} --owner=0 --group=0 --mode=u=rwX,go=rX -cf - etc"
    process.run(["bash", "-c", f"set -o pipefail; {pack} | {words} tar -C / -xf -"])


def test_a_step_reads_what_it_is_given_and_writes_one_folder(builder: Builder) -> None:
    script = (
        "cat /model/w /work/checkpoint/c; echo engine >/work/e; cat /work/e;"
        " echo $HOME $DO_NOT_TRACK; touch /model/x; touch /work/checkpoint/x; touch /x;"
        " cat /proc/self/limits"
    )  # fmt: skip
    said = builder.step(script, HOME="/work/tmp")
    assert said.startswith("weights\nmade\nengine\n/work/tmp 1\n")
    assert said.count("Read-only file system") == 3
    limits = {line[:18].strip(): line.split() for line in said.splitlines() if "Max" in line}
    assert limits["Max locked memory"][3:5] == ["unlimited", "unlimited"]
    assert limits["Max stack size"][3] == "67108864"
    assert builder.guest.run("cat /srv/partial/e").strip() == "engine"
    assert builder.gone()


def test_its_code_is_that_of_podman(builder: Builder) -> None:
    assert builder.step("echo bad >&2; exit 3") == "bad\ncode 3\n"
    words = builder.words(["trtllm-build"])
    assert "code 127" in builder.guest.run(f"{words} 2>&1; echo code $?", timeout_s=300)


def test_it_has_loopback_and_no_other_network(builder: Builder) -> None:
    said = builder.step("cat /proc/net/dev; cat /proc/net/route")
    devices = [line.split(":")[0].strip() for line in said.splitlines() if ":" in line]
    assert devices == ["lo"]


def test_what_it_serves_is_asked_in_its_own_network(builder: Builder) -> None:
    run = builder.guest.run
    run(f"setsid {builder.words(SERVE)} >/tmp/serve.log 2>&1 </dev/null & true")
    inspect = f"podman inspect --type=container --format='{{{{.State.Pid}}}}' {PREFIX}{NAME}"
    assert process.wait_until(
        lambda: run(f"{inspect} 2>/dev/null; true").strip() not in ("", "0"),
        timeout_s=120,
        interval_s=2,
    )
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/').read())"
    inside = f"nsenter --target=$({inspect}) --net -- python3 -c {shlex.quote(ask)}"
    assert process.wait_until(
        lambda: "served" in run(f"{inside} 2>&1; true"), timeout_s=120, interval_s=2
    )
    assert "refused" in run(f"python3 -c {shlex.quote(ask)} 2>&1; true")


def test_what_a_killed_build_left_is_replaced(builder: Builder) -> None:
    run = builder.guest.run
    run("kill -9 $(pgrep -f '^/usr/bin/podman run')")
    inspected = json.loads(run(f"podman inspect {PREFIX}{NAME}"))
    assert inspected[0]["State"]["Running"]  # it goes on without who started it
    run(f"podman rm --force --ignore {PREFIX}{NAME}", timeout_s=120)
    assert builder.gone()
    assert builder.step("echo again") == "again\ncode 0\n"
