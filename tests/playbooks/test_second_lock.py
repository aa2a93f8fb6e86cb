"""An engine's own lock holds when the firewall is gone, and the firewall holds when the lock is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from landfall.model.environment import ROOT
from tests.playbooks.one_host import OneHost, booted

pytestmark = pytest.mark.host

HERE, THERE = "10.79.0.11", "10.79.0.1"
CONNECT = f"import socket; socket.create_connection((\\'{THERE}\\', 8000), 2)"


def locks() -> list[str]:
    """What the units of engines say about addresses."""
    unit = (ROOT / "templates/systemd/landfall-engine.service.j2").read_text()
    return re.findall(r"^IPAddress(?:Deny|Allow)=.+$", unit, re.MULTILINE)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneHost]:
    with booted(tmp_path_factory.mktemp("locks"), net=79) as (found, _):
        found.variables = {
            "firewall_networks": {"serving": {"range": "10.79.0.0/24"}},
            "firewall_flows": [
                {"from": "serving", "to": "hosts", "tcp": [22], "why": "configuration"}
            ],
            "firewall_addresses": [{"network": "serving", "address": HERE, "interface": "host0"}],
        }
        yield found


def reaches(host: OneHost, *properties: str) -> bool:
    """Whether a service with these properties can connect to something outside of the host."""
    words = " ".join(f"-p {each}" for each in properties)
    command = f"systemd-run -q --wait --pipe -p DynamicUser=yes {words}"
    return host.unchanged(f'{command} python3 -c "{CONNECT}"'.replace("\\'", "'")).returncode == 0


def test_each_lock_holds_alone(host: OneHost) -> None:
    assert locks() == ["IPAddressDeny=any", "IPAddressAllow=localhost"]
    assert reaches(host)  # neither
    assert not reaches(host, *locks())  # the unit's own
    host.play("firewall")
    assert not reaches(host)  # the firewall
    assert not reaches(host, *locks())  # both
    host.ssh("nft delete table inet landfall")
    assert not reaches(host, *locks())  # the first lock is removed, the second holds
    assert reaches(host)
