"""An engine in a container on an emulated server: its unit, a real podman, the real supervisor.

What stands in: a shell script with busybox's nc answers in place of trtllm-serve; the list of
devices (CDI) names a GPU that is none; and the check before the start, which needs packages and a
GPU that the server lacks, is a script that says yes or no: tests/engines/supervise has the real
one.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.playbooks import supervised
from tests.playbooks.loading import plugin
from tests.rack.conftest import Boot
from tests.templates.test_contained import KEY, TEMPLATE, engine

pytestmark = [pytest.mark.rack, pytest.mark.timeout(1200)]

PORT = 5000
MIRROR = f"{SERVICES_ADDRESS}:{PORT}"
FOLDER = "/var/lib/landfall/engines"
UNIT = f"landfall-engine-{KEY[:12]}.service"
NAME = f"landfall-container-{KEY[:12]}"
LOG = "/var/log/engine.log"
SAYS = f"[Service]\nStandardOutput=append:{LOG}\nStandardError=append:{LOG}\n"
"""A server that was restored from a snapshot keeps no journal."""
SERVE = """#!/bin/sh
while [ "$1" != --port ]; do shift; done
trap 'echo told to end; kill $child; exit 0' TERM
busybox nc -ll -p "$2" -e /bin/answer &
child=$!
wait $child
"""
ANSWER = """#!/bin/sh
read -r method path rest
end=$(printf '\\r')
length=0
while read -r name value; do
    [ "$name" = "$end" ] && break
    [ "$name" = Content-Length: ] && length=${value%"$end"}
done
busybox head -c "$length" > /dev/null
case $path in
    /health) text= ;;
    /v1/models) text='{"data": [{"id": "engine"}]}' ;;
    *) [ -e /work/hang ] && sleep 600
       text='{"choices": [{"text": "a"}], "usage": {"completion_tokens": 1}}' ;;
esac
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\n\\r\\n%s' "${#text}" "$text"
"""
DEVICES = {
    "cdiVersion": "0.5.0",
    "kind": "nvidia.com/gpu",
    "devices": [{"name": "0", "containerEdits": {"env": ["GIVEN_GPU=0"]}}],
}
GPUS = [{"model": "NVIDIA L40S", "count": 1, "numa_nodes": [0]}]
FILES = ("containers.conf", "policy.json", "registries.conf", "storage.conf")


@dataclass
class Served:
    """A server with the unit of one engine on it."""

    guest: Guest
    engine: dict[str, Any]

    def ctl(self, *words: str, check: bool = True) -> str:
        return self.guest.run(f"systemctl {shlex.join(words)}", check=check, timeout_s=600)

    def shows(self, name: str) -> str:
        return self.ctl("show", "--value", f"--property={name}", UNIT).strip()

    def said(self, text: str) -> bool:
        return text in self.guest.run(f"cat {LOG}")

    def pid(self) -> str:
        return self.guest.run("pgrep -o -f 'nc -ll'").strip()


def unit(engine: dict[str, Any], listed: str) -> str:
    """The unit as the role writes it, with less patience."""
    module = plugin("filter", "landfall_serving")
    where = {"folder": FOLDER, "registry": MIRROR, "shared_memory": "64m"}
    [placed] = module.placed([engine], GPUS, [], [], **where)
    defaults = yaml.safe_load((ROOT / "playbooks/roles/serving/defaults/main.yml").read_text())
    patience = {"serving_probe_every_s": 5, "serving_hung_after_s": 30, "serving_drain_s": 20}
    given = {
        "serving_engine": module.processors(placed, listed),
        "serving_python": f"/{supervised.PYTHON}",
        "serving_container_memory_max": "512M",
    }
    return render.render(TEMPLATE, {**defaults, **patience, **given})


def lay_out(guest: Guest, tree: Path, engine: dict[str, Any], ca: Path) -> None:
    """Everything that roles would have written."""
    listed = guest.run("grep --with-filename . /sys/devices/system/node/node0/cpulist")
    values = yaml.safe_load((ROOT / "playbooks/roles/runtime/defaults/main.yml").read_text())
    values["runtime_registry"] = MIRROR
    written = {
        f"etc/containers/{name}": render.render(f"etc/containers/{name}.j2", values)
        for name in FILES
    }
    written |= {
        f"etc/systemd/system/{UNIT}": unit(engine, listed),
        f"etc/systemd/system/{UNIT}.d/log.conf": SAYS,
        "etc/cdi/nvidia.json": json.dumps(DEVICES),
        f"{FOLDER[1:]}/{KEY}/model/config.json": "{}",
    }
    for name, text in written.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    supervised.lay_out(tree)
    certificates = tree / "etc/containers/certs.d" / MIRROR
    certificates.mkdir(parents=True)
    shutil.copy(ca, certificates / "ca.crt")
    words = shlex.join([str(word) for word in guest.ssh()])
    pack = f"tar -C {tree} --owner=0 --group=0 --mode=u=rwX,go=rX -cf - etc opt var"
    process.run(["bash", "-c", f"set -o pipefail; {pack} | {words} tar -C / -xf -"])


@pytest.fixture(scope="module")
def served(
    boot: Boot, rack: VirtualRack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("contained")
    if lacks := registries.missing():
        pytest.skip(f"cannot run here: {lacks}")
    with registries.running(folder / "registry", SERVICES_ADDRESS) as registry:
        service = rack.service(PORT, "127.0.0.1", registry.port)
        guest = rack.guest(server("gp-1", disk_mib=64), services=[service])
        boot.stack.callback(boot._remove, guest)
        snapshot.start(guest, snapshot.ensure(cache_folder(), rack.image, print))
        image = {"bin/trtllm-serve": SERVE, "bin/answer": ANSWER}
        image |= {f"{place}/.keep": "" for place in ("work", "model")}
        digest = registry.push("engines/tensorrt_llm", image, ["true"])
        asked = engine("summariser-l40s")
        asked["contained"]["digest"] = digest
        lay_out(guest, folder / "tree", asked, registry.ca)
        reference = f"{MIRROR}/engines/tensorrt_llm@{digest}"
        guest.run(f"podman pull --quiet {reference}", timeout_s=300)
        guest.run("systemctl daemon-reload")
        yield Served(guest, asked)


def test_it_is_active_when_it_has_made_a_token(served: Served) -> None:
    served.ctl("start", UNIT)  # comes back when it is ready
    assert served.shows("ActiveState") == "active"
    assert served.shows("NRestarts") == "0"
    [found] = json.loads(served.guest.run(f"podman inspect {NAME}"))
    asked = {"name": KEY[:12], "digest": served.engine["contained"]["digest"]}
    assert container.wrong([found], [asked]) == []


def test_it_lives_in_its_unit_with_its_gpu_and_no_rights(served: Served) -> None:
    pid = served.pid()
    status = served.guest.run(f"cat /proc/{pid}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert f"/system.slice/{UNIT}/" in served.guest.run(f"cat /proc/{pid}/cgroup")
    assert "GIVEN_GPU=0" in served.guest.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").split()
    limits = served.guest.run(f"cat /proc/{pid}/limits")
    assert ["unlimited", "unlimited"] in [
        line.split()[3:5] for line in limits.splitlines() if line.startswith("Max locked memory")
    ]
    assert ["0", "0"] in [
        line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size")
    ]
    assert "bind:0" in served.guest.run(f"head -1 /proc/{pid}/numa_maps")


def test_it_reaches_loopback_and_nothing_else(served: Served) -> None:
    ask = f"bash -c 'exec 3<>/dev/tcp/{SERVICES_ADDRESS}/{PORT}' && echo reached"
    assert "reached" in served.guest.run(ask)
    inside = (
        f"podman exec {NAME} busybox nc -w 3 {SERVICES_ADDRESS} {PORT} </dev/null 2>&1; echo $?"
    )
    assert served.guest.run(inside, timeout_s=120).split()[-1] != "0"
    touched = served.guest.run(f"podman exec {NAME} touch /work/x /x 2>&1; true", timeout_s=120)
    assert touched.count("Read-only file system") == 2


def test_one_that_hangs_is_started_anew(served: Served) -> None:
    before = served.pid()
    served.guest.run(f"touch {FOLDER}/{KEY}/hang")
    assert process.wait_until(
        lambda: served.said("no token for 30 s; it says that it is well"),
        timeout_s=300,
        interval_s=3,
    )
    served.guest.run(f"rm {FOLDER}/{KEY}/hang")
    assert process.wait_until(
        lambda: served.shows("NRestarts") != "0" and served.shows("ActiveState") == "active",
        timeout_s=300,
        interval_s=3,
    )
    assert served.pid() != before
    failures = served.guest.run(f"cat /run/landfall-engine-{KEY[:12]}/failures")
    assert len(json.loads(failures)) >= 1


def test_a_supervisor_that_is_killed_takes_its_container_with_it(served: Served) -> None:
    before = served.pid()
    served.guest.run(f"kill -9 {served.shows('MainPID')}")
    assert process.wait_until(
        lambda: served.shows("ActiveState") == "active" and served.pid() not in ("", before),
        timeout_s=300,
        interval_s=3,
    )


def test_it_is_told_to_end_and_leaves_nothing(served: Served) -> None:
    served.ctl("stop", UNIT)
    assert served.said("told to end")
    assert served.shows("Result") == "success"
    assert served.guest.run("podman ps --all --quiet").strip() == ""
    assert served.guest.run(f"ls /run/landfall-engine-{KEY[:12]} 2>&1; true").startswith("ls:")


def test_what_the_check_refuses_does_not_start(served: Served) -> None:
    served.guest.run("touch /srv/refuse")
    served.ctl("start", UNIT, check=False)
    assert served.shows("ActiveState") != "active"
    assert served.said("engines.supervise: not what was signed")
    assert served.guest.run("podman ps --all --quiet").strip() == ""
    served.ctl("stop", UNIT)
