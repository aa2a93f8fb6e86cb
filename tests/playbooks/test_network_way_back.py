"""A booted host's network: a change is kept where the host is reached, else taken back by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from landfall.model.host import Host
from rehearsal.rack import Rack
from tests.playbooks import links
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

NET = 83
HERE, NOWHERE = f"10.{NET}.0.11", f"10.{NET}.0.99"
PROGRAM = "/usr/local/libexec/landfall/network"
LOOK = "cat /etc/systemd/network/* | sha256sum; ip -4 -o address show host0 | awk '{print $4}'"


@pytest.fixture(scope="module")
def racked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OneHost, Rack]]:
    with booted(tmp_path_factory.mktemp("network"), net=NET) as (host, rack):
        network = {"range": f"10.{NET}.0.0/24", "gateway": rack.gateway}
        site = links.site(networks={"serving": network}, flows=[], edge_owner="others")
        host.variables = {
            "network_site": links.written(site),
            "network_restore_s": 25,
            "network_wait_s": 10,
        }
        yield host, rack


def described(rack: Rack, address: str, **nic: Any) -> Any:
    port = {"name": "host0", "mac": rack.hosts[0].mac, **nic}
    host: Host = links.host(
        nics=[port],
        bonds=[],
        addresses=[{"network": "serving", "interface": "host0", "address": address}],
    )
    return links.written(host)


def test_check_mode_touches_nothing_and_a_second_run_changes_nothing(
    racked: tuple[OneHost, Rack],
) -> None:
    host, rack = racked
    before = host.ssh(LOOK)
    foreseen = host.play("network", "--check", "--diff", network_host=described(rack, HERE))
    assert host.ssh(LOOK) == before
    assert foreseen.changed == ["network : Lay down what is wanted, beside what there is"]
    assert f"+Address={HERE}/24" in foreseen.output
    host.play("network", network_host=described(rack, HERE))
    assert f"{HERE}/24" in host.ssh(LOOK)
    assert host.ssh(f"ip route show default | grep -c {rack.gateway}").strip() == "1"
    assert host.play("network", network_host=described(rack, HERE)).counts["changed"] == 0


def test_check_mode_foresees_a_change(racked: tuple[OneHost, Rack]) -> None:
    host, rack = racked
    host.play("network", network_host=described(rack, HERE))
    foreseen = host.play("network", "--check", network_host=described(rack, HERE, mtu=1400))
    assert foreseen.changed == ["network : Lay down what is wanted, beside what there is"]


def test_a_change_that_cuts_the_host_off_is_taken_back_by_the_host(
    racked: tuple[OneHost, Rack],
) -> None:
    host, rack = racked
    host.play("network", network_host=described(rack, HERE))
    before = host.ssh(LOOK)
    played = host.play("network", network_host=described(rack, NOWHERE), fails=True)
    assert "the host has taken the change back and is reached as before" in played.output
    assert host.ssh(LOOK) == before
    assert host.unchanged("test -e /var/lib/landfall/network/armed.json").returncode == 1
    # The inventory is put right, and the way is free again.
    assert host.play("network", network_host=described(rack, HERE)).counts["failed"] == 0


def test_a_host_restarted_before_the_change_is_confirmed_takes_it_back(
    racked: tuple[OneHost, Rack],
) -> None:
    host, rack = racked
    host.play("network", network_host=described(rack, HERE))
    before = host.ssh(LOOK)
    wrong = f"sed -i s/{HERE}/{NOWHERE}/ /var/lib/landfall/network/wanted/*.network"
    host.ssh(f"{wrong}; {PROGRAM} apply 3600")
    rack.restart("t-1")
    assert host.ssh(LOOK) == before


def test_a_host_that_is_killed_before_it_confirms_can_be_configured_again(
    racked: tuple[OneHost, Rack],
) -> None:
    host, rack = racked
    host.play("network", network_host=described(rack, HERE))
    host.ssh("rm -f /etc/systemd/network/05-landfall-*; networkctl reload")
    host.ssh(f"{PROGRAM} apply 3600")  # and whoever began this is gone
    played = host.play("network", network_host=described(rack, HERE))
    assert "network : Keep what there is, arm the way back, and change" in played.changed
    assert host.unchanged("test -e /var/lib/landfall/network/armed.json").returncode == 1
    assert host.unchanged("systemctl is-active landfall-network-restore.timer").returncode != 0
