"""Upgrades and rollbacks of hosts that are asked the whole time: no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.playbooks.several_hosts import Hosts, Traffic, booted

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts")) as made:
        made.checkout.release("first")
        made.configure()
        yield made


def upgrade(hosts: Hosts, *words: str, fails: bool = False, **variables: Any) -> str:
    return hosts.play(
        "upgrade.yml", "--skip-tags", "preflight", *words, fails=fails, **variables
    ).output


def test_hosts_are_upgraded_one_by_one_and_no_request_is_lost(hosts: Hosts) -> None:
    hosts.checkout.release("second")
    tasks = str(hosts.restart_tasks())
    with Traffic(hosts.gateways).running() as traffic:
        upgrade(hosts, rolling_reboot="always", rolling_reboot_tasks=tasks)
    assert traffic.lost == []
    assert len(traffic.answered) > 50
    assert traffic.models == {"first", "second"}
    assert {name: hosts.model(name) for name in hosts.gateways} == {
        "t-1": "second",
        "t-2": "second",
    }
    assert not [name for name in hosts.gateways if hosts.drained(name)]
