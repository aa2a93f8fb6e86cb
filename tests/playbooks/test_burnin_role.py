"""The role burnin on two booted hosts: real stress-ng, fio and iperf3, records and admission."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT, cache_folder
from rehearsal import packages, rootfs
from rehearsal.rack import Forward, Rack, RackHost
from tests.loopback import free_port
from tests.playbooks.one_host import BIN, inventory, prepare

pytestmark = pytest.mark.host

NAMES = ("t-1", "t-2")
NET = 99
PACKAGES = ("fio", "iperf3", "numactl", "nvme-cli", "stress-ng")
ADDRESSES = {name: f"10.{NET}.0.{10 + index}" for index, name in enumerate(NAMES, start=1)}
VALUES: dict[str, Any] = {
    "burnin_seconds": 25,  # stress-ng measures memory from 10 s on, where nothing else runs
    "burnin_disk_seconds": 2,
    "burnin_file_mib": 16,
    "burnin_network_seconds": 2,
    "burnin_network": {
        name: {"address": address, "speed_gbps": 0.01} for name, address in ADDRESSES.items()
    },
}


@dataclass
class Burnt:
    """Two hosts, and plays of the role on both."""

    folder: Path
    rack: Rack
    output: str = ""

    def play(self, tasks_from: str = "main", *words: str, fails: bool = False, **more: Any) -> int:
        """Run the role on both hosts; how many tasks changed something."""
        given = self.folder / "given.json"
        records = str(self.folder / "records")
        given.write_text(json.dumps({**VALUES, "burnin_records": records, **more}))
        role = {"name": "burnin", "tasks_from": tasks_from}
        tasks = [{"name": "burnin", "ansible.builtin.import_role": role}]
        playbook = self.folder / "playbooks/play.json"
        playbook.write_text(json.dumps([{"hosts": "all", "tasks": tasks}]))
        where: list[str | Path] = ["-i", self.folder / "hosts.json", "-e", f"@{given}"]
        done = process.run(
            [BIN / "ansible-playbook", *where, playbook, *words],
            cwd=ROOT,
            env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            check=False,
        )
        self.output = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, self.output[-5000:]
        recap = done.stdout.rpartition("PLAY RECAP")[2]
        return sum(int(part.partition(" ")[0]) for part in recap.split("changed=")[1:])

    def record(self, name: str) -> dict[str, Any]:
        kept: dict[str, Any] = json.loads((self.folder / f"records/{name}.json").read_text())
        assert kept == json.loads(self.ssh(name, "cat /var/lib/landfall/burnin.json"))
        return kept

    def ssh(self, name: str, command: str) -> str:
        return process.run([*self.rack.ssh(name), command]).stdout


@pytest.fixture(scope="module")
def burnt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Burnt]:
    folder = tmp_path_factory.mktemp("burnin")
    hosts = [RackHost(name=name, address=ADDRESSES[name]) for name in NAMES]
    ports = {name: free_port() for name in NAMES}
    rack = Rack(
        state=folder / "rack",
        hosts=hosts,
        subnet=IPv4Network(f"10.{NET}.0.0/24"),
        namespace=f"landfall-t{NET}-{os.getpid()}",
        forwards=[Forward(port=ports[h.name], address=h.address, target=22) for h in hosts],
    )
    (folder / "wheelhouse").mkdir()
    try:
        rack.up(
            rootfs=rootfs.ensure(cache_folder(), print),
            repository=packages.ensure_repository(cache_folder(), print, packages=PACKAGES),
            wheelhouse=folder / "wheelhouse",
        )
        everybody = [inventory(name, ports[name], rack)["all"]["hosts"] for name in NAMES]
        listed = {"all": {"hosts": everybody[0] | everybody[1]}}
        prepare(folder).write_text(json.dumps(listed))
        yield Burnt(folder, rack)
    finally:
        rack.down()


def test_without_a_record_nobody_is_admitted(burnt: Burnt) -> None:
    burnt.play("admitted", fails=True)
    assert "t-1 may not serve: it has no burn-in record" in burnt.output
    assert "t-2 may not serve" in burnt.output
    burnt.play("admitted", burnin_required=False)


def test_a_host_that_serves_is_left_alone(burnt: Burnt) -> None:
    burnt.ssh("t-2", "systemd-run --quiet --unit=landfall-engine-x sleep infinity")
    burnt.play("main", "--check", fails=True)
    burnt.ssh("t-2", "systemctl stop landfall-engine-x")
    assert "t-2 serves (landfall-engine-x.service)" in burnt.output
    assert "t-1 serves" not in burnt.output


def test_both_are_measured_pair_by_pair_and_admitted(burnt: Burnt) -> None:
    assert burnt.play("main", "--check") > 0
    assert burnt.ssh("t-1", "ls /var/lib | grep -c landfall; true").strip() == "0"
    burnt.play()
    for name, other in (("t-1", "t-2"), ("t-2", "t-1")):
        record = burnt.record(name)
        figures = {each["name"]: each["value"] for each in record["results"]}
        assert figures.pop(f"network_to_{other}") > 0.01
        assert {"cpu_ops_per_s", "disk_read_mib_s", "disk_write_iops"} <= set(figures)
        assert all(value > 0 for value in figures.values()), figures
        assert record["passed"], record["problems"]
        assert burnt.ssh(name, "ls -A /var/lib/landfall").split() == ["burnin.json"]
    burnt.play("admitted")


def test_a_second_run_measures_nothing(burnt: Burnt) -> None:
    assert burnt.play() == 0


def test_a_bound_that_is_missed_and_other_hardware_are_told(burnt: Burnt) -> None:
    impossible = {"burnin_bounds": {"cpu_ops_per_s": 1e9, "disk_read_mib_s": 1}}
    burnt.play(
        "main", "--limit", "t-1", fails=True, burnin_again=True, burnin_network={}, **impossible
    )
    assert "cpu_ops_per_s" in burnt.output
    assert "at least 1e+09 is needed" in burnt.output
    burnt.play("admitted", fails=True)
    assert "t-1 may not serve: its burn-in on" in burnt.output
    assert "t-2 may not serve" not in burnt.output
    burnt.ssh("t-2", 'sed -i \'s/"hardware": "./"hardware": "x/\' /var/lib/landfall/burnin.json')
    burnt.play("admitted", fails=True)
    assert "t-2 may not serve: its hardware is not that of its burn-in" in burnt.output
