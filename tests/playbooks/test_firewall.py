"""The firewall on a booted host: closed in both directions, and it locks nobody out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from landfall import process
from rehearsal import door
from rehearsal.rack import Rack
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

HERE, THERE = "10.84.0.11", "10.84.0.1"
SSH = {"from": "management", "to": "management", "tcp": [22, 7001], "why": "configuration"}
PACKAGES = {"from": "hosts", "to": "management", "tcp": [8000], "why": "packages"}
SITE: dict[str, Any] = {
    "firewall_networks": {
        "management": {"range": "10.84.0.0/24"},
        "serving": {"range": "10.84.32.0/24"},
    },
    "firewall_flows": [{**SSH, "from": "management", "to": "hosts"}, PACKAGES],
    "firewall_addresses": [{"network": "management", "address": HERE, "interface": "host0"}],
    "firewall_hosts": [HERE],
    "firewall_guard_s": 120,
}
LISTEN = "python3 -m http.server {port} --bind 0.0.0.0 --directory /var/empty"


@dataclass
class Walled:
    host: OneHost
    rack: Rack

    def reaches(self, port: int) -> bool:
        """Whether a program outside can connect to a port of the host."""
        try:
            with door.inside(self.rack.namespace):
                import socket

                socket.create_connection((HERE, port), 1).close()
        except OSError:
            return False
        return True

    def asks(self, port: int, *, user: str = "root", address: str = THERE) -> bool:
        """Whether a program on the host can connect to a port outside."""
        script = f"import socket; socket.create_connection(('{address}', {port}), 1)"
        command = f'setpriv --reuid={user} --clear-groups python3 -c "{script}"'
        return self.host.unchanged(command).returncode == 0

    def counter(self, name: str) -> int:
        listed = self.host.ssh(f"nft list counter inet landfall {name}").split()
        return int(listed[listed.index("packets") + 1])


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walled]:
    with booted(tmp_path_factory.mktemp("firewall"), net=84) as (host, rack):
        host.variables = SITE
        for port in (7001, 7002):
            unit = f"--unit=listen-{port}"
            host.ssh(f"mkdir -p /var/empty; systemd-run -q {unit} {LISTEN.format(port=port)}")
        yield Walled(host=host, rack=rack)


def test_before_it_everything_passes(walled: Walled) -> None:
    assert process.wait_until(lambda: walled.reaches(7002), timeout_s=10)
    assert walled.asks(8000)
    # somebody else's table, which must live on
    walled.host.ssh("nft add table inet others; nft add chain inet others nat")


def test_check_mode_foresees_the_first_run_which_keeps_the_connection(walled: Walled) -> None:
    walled.host.truthful("firewall")
    assert "table inet others" in walled.host.ssh("nft list tables")
    assert walled.host.ssh("systemctl is-enabled landfall-firewall") == "enabled\n"
    assert "landfall_watch" not in walled.host.ssh("nft list tables")
    assert walled.host.ssh("systemctl list-timers --all | grep -c guard; true").strip() == "0"


def test_only_what_a_flow_names_comes_in(walled: Walled) -> None:
    accepted, dropped = "accepted_in_management", "dropped_in_management"
    before = walled.counter(accepted), walled.counter(dropped)
    assert walled.reaches(7001)
    assert not walled.reaches(7002)
    assert walled.counter(accepted) > before[0]
    assert walled.counter(dropped) > before[1]


def test_only_what_a_flow_names_goes_out(walled: Walled) -> None:
    accepted, dropped = "accepted_out_management", "dropped_out_management"
    before = walled.counter(accepted), walled.counter(dropped)
    assert walled.asks(8000)
    assert not walled.asks(8001)
    assert walled.counter(accepted) == before[0] + 1
    assert walled.counter(dropped) > before[1]
    assert not walled.asks(443, address="198.51.100.7")
    assert walled.counter("dropped_out_elsewhere") > 0


def test_the_gateways_user_asks_nobody(walled: Walled) -> None:
    assert not walled.asks(8000, user="www-data")
    assert walled.counter("confined") > 0
    assert walled.asks(7001, user="www-data", address="127.0.0.1")


def test_rules_that_are_wrong_are_refused_before_anything(walled: Walled) -> None:
    flows = [PACKAGES, {"from": "hosts", "to": "storage", "tcp": [1], "why": "nothing"}]
    done = walled.host.play("firewall", fails=True, firewall_flows=flows)
    assert "site.flows.1.to: no network storage" in done.output
    done = walled.host.play("firewall", fails=True, firewall_flows=[PACKAGES])
    assert f"the controller is {THERE}, and no flow lets it reach tcp 22 of {HERE}" in done.output
    assert done.counts["changed"] == 0


def test_rules_that_lock_out_are_taken_back_by_the_host(walled: Walled) -> None:
    before = walled.host.ssh("cat /etc/landfall/firewall.nft; nft -s list table inet landfall")
    flows = [{**SSH, "from": "serving", "to": "hosts"}]
    # A lie, so that what is refused beforehand is tried: the controller is said to be elsewhere.
    done = walled.host.play(
        "firewall",
        fails=True,
        firewall_guard_s=30,
        firewall_flows=flows,
        firewall_controllers=["10.84.32.5"],
    )
    assert "did not let the controller in again" in done.output
    assert "dropped_in_management" in done.output
    after = walled.host.ssh("cat /etc/landfall/firewall.nft; nft -s list table inet landfall")
    assert after == before
    assert walled.host.play("firewall").counts["changed"] == 0


def test_a_change_by_hand_is_found_and_undone(walled: Walled) -> None:
    walled.host.ssh("nft insert rule inet landfall in_management tcp dport 7002 accept")
    assert walled.reaches(7002)
    assert walled.host.play("firewall").counts["changed"] == 1
    assert not walled.reaches(7002)


def test_the_rules_are_there_after_a_restart_and_a_broken_file_closes(walled: Walled) -> None:
    walled.rack.restart("t-1")
    assert walled.host.play("firewall").counts["changed"] == 0
    assert "dropped_in_elsewhere" in walled.host.ssh("nft list table inet landfall")
    walled.host.ssh("sed -i '$d' /etc/landfall/firewall.nft")
    assert walled.host.unchanged("systemctl restart landfall-firewall").returncode != 0
    assert not walled.asks(8000)
    assert walled.reaches(22)
    walled.host.play("firewall")
    assert walled.asks(8000)
