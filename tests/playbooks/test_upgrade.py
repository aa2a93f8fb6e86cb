"""Upgrades and rollbacks of hosts that are asked the whole time: no request is lost.

The tests are one story, in this order: each goes on with what the one before left.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from landfall import process
from landfall.model.environment import ROOT
from playbooks.plugins.filter.landfall_rebuilds import engine_rebuilds
from tests.playbooks import stand_in
from tests.playbooks.several_hosts import Hosts, booted, up
from tests.playbooks.traffic import Traffic

BOOTED = "systemctl show --property=UserspaceTimestampMonotonic"

PREDICATE = {
    "engine": "tiny-lm",
    "key": "0" * 64,
    "backend": "onnxruntime",
    "backend_version": "1.31.1",
    "target": "cpu",
    "parts": {"target": "x86_64+avx2"},
}
CPU = {"machine": "x86_64", "isa": ["avx2"], "gpus": [], "packages": {"onnxruntime": "1.31.1"}}


@pytest.mark.parametrize(
    ("engine", "host", "reason"),
    [
        ({}, {}, ""),
        (
            {},
            {"packages": {"onnxruntime": "1.32.0"}},
            "built with onnxruntime 1.31.1; this host has 1.32.0",
        ),
        ({"container": "trtllm@sha256:1"}, {"packages": {}}, ""),
        ({}, {"packages": {}}, "built with onnxruntime 1.31.1; this host has none"),
        ({}, {"isa": []}, "built for a processor with x86_64+avx2; this host has x86_64"),
        ({"target": "L40S"}, {}, "built for L40S; this host has no GPU"),
        ({"target": "L40S"}, {"gpus": ["NVIDIA A40"]}, "built for L40S; this host has NVIDIA A40"),
        ({"target": "L40S"}, {"gpus": ["NVIDIA L40S"]}, ""),
    ],
)
def test_an_engine_whose_key_changed_is_named_with_the_reason(
    engine: dict[str, Any], host: dict[str, Any], reason: str
) -> None:
    manifest = json.dumps({"predicate": {**PREDICATE, **engine}})
    found = engine_rebuilds([manifest], json.dumps({**CPU, **host}))
    assert found == ([f"tiny-lm 000000000000: {reason}"] if reason else [])


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts")) as made:
        made.checkout.release("first")
        made.configure()
        yield made


def upgrade(hosts: Hosts, *words: str, fails: bool = False, **variables: Any) -> str:
    words = ("--skip-tags", "preflight", *words)
    return hosts.play("upgrade.yml", *words, fails=fails, **variables).output


def state(hosts: Hosts) -> dict[str, str]:
    """Which model each host answers with, and whether it is drained."""
    return {
        name: f"{hosts.model(name)}{', drained' if hosts.drained(name) else ''}"
        for name in hosts.gateways
    }


@pytest.mark.host
@pytest.mark.timeout(900)
def test_hosts_are_upgraded_one_by_one_and_no_request_is_lost(hosts: Hosts) -> None:
    hosts.checkout.release("second")
    tasks = str(hosts.restart_tasks())
    booted_at = [hosts.ssh(name, BOOTED) for name in hosts.gateways]
    with Traffic(hosts.gateways).running() as traffic:
        upgrade(hosts, rolling_reboot="always", rolling_reboot_tasks=tasks)
    assert traffic.lost == []
    assert len(traffic.answered) > 50
    assert traffic.models == {"first", "second"}
    assert state(hosts) == {"t-1": "second", "t-2": "second"}
    assert booted_at != [hosts.ssh(name, BOOTED) for name in hosts.gateways]


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_bad_engine_stops_at_the_first_host_which_is_put_back(hosts: Hosts) -> None:
    hosts.checkout.release("bad engine")
    with Traffic(hosts.gateways).running() as traffic:
        said = upgrade(hosts, fails=True)
    assert "t-1 was not upgraded. It was put back to what ran before, and answers again." in said
    assert "does not answer: tiny-lm: status 500" in said
    assert traffic.lost == []
    assert traffic.models == {"second"}
    assert state(hosts) == {"t-1": "second", "t-2": "second"}


@pytest.mark.host
@pytest.mark.timeout(900)
def test_an_engine_whose_key_changed_is_named_and_the_host_is_put_back(hosts: Hosts) -> None:
    key, noted = hosts.checkout.release("second"), hosts.checkout.environment.wheelhouse_file
    before, served = noted.read_text(), state(hosts)
    newer = hosts.checkout.root / "newer"
    digest = stand_in.wheelhouse(newer, backend="2")
    up(hosts.rack, newer)
    hosts.checkout.wheels(f"{hosts.rack.packages_url}/{newer.name}/", digest)
    said = upgrade(hosts, fails=True)
    noted.write_text(before)
    assert f"tiny-lm {key[:12]}: built with stand-in 1; this host has 2" in said
    assert "It was put back to what ran before, and answers again." in said
    assert state(hosts) == served


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_host_lost_in_the_middle_is_drained_and_the_next_run_goes_on(hosts: Hosts) -> None:
    hosts.checkout.release("third")
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    command = hosts.command("upgrade.yml", "--skip-tags", "preflight", gateway_notice_s=10)
    with Traffic(hosts.gateways).running() as traffic:
        run = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        assert process.wait_until(lambda: hosts.drained("t-1"), timeout_s=200)
        hosts.ssh("t-1", "systemctl stop ssh.socket ssh.service; pkill -x sshd", check=False)
        assert run.wait() != 0
    assert traffic.lost == []
    assert state(hosts) == {"t-1": "second, drained", "t-2": "second"}
    hosts.rack.restart("t-1")
    assert state(hosts) == {"t-1": "second, drained", "t-2": "second"}
    upgrade(hosts)
    assert state(hosts) == {"t-1": "third", "t-2": "third"}
    again = hosts.play("upgrade.yml", "--skip-tags", "preflight").counts
    assert [counts["changed"] for counts in again.values()] == [0, 0]


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_rollback_returns_to_the_unit_before_and_a_second_one_does_nothing(hosts: Hosts) -> None:
    with Traffic(hosts.gateways).running() as traffic:
        hosts.play("rollback.yml")
    assert traffic.lost == []
    assert state(hosts) == {"t-1": "second", "t-2": "second"}
    again = hosts.play("rollback.yml").counts
    assert [counts["changed"] for counts in again.values()] == [0, 0]
    assert state(hosts) == {"t-1": "second", "t-2": "second"}


@pytest.mark.host
@pytest.mark.timeout(900)
def test_the_last_host_that_serves_is_not_touched(hosts: Hosts) -> None:
    hosts.ssh("t-2", "touch /etc/landfall/drained")
    try:
        said = upgrade(hosts, "--limit", "t-1", fails=True)
    finally:
        hosts.ssh("t-2", "rm /etc/landfall/drained")
    assert "t-1 was not touched: without it 0 hosts answer, and 1 must" in " ".join(said.split())
    assert state(hosts) == {"t-1": "second", "t-2": "second"}
