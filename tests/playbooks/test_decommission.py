"""The end of a host: refused unless it is meant, never the last one, and certified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from playbooks.plugins.filter.landfall_certificate import (
    certificate,
    certificate_page,
    decommission_confirmation,
)
from tests.playbooks.several_hosts import Hosts, booted
from tests.playbooks.traffic import Traffic

BODY: dict[str, Any] = {
    "host": "t-1",
    "environment": "dev",
    "time": "2026-11-21T18:00:00Z",
    "by": "A. Person",
    "disks": ["S1", "S2"],
    "storage": {"disks": [{"serial": "S1", "method": "sanitize", "verified": True}]},
    "removed": ["/opt/landfall"],
    "escrow": [],
    "left": ["backups"],
}


def test_a_confirmation_is_of_one_host_and_its_disks() -> None:
    disks = [{"serial": "S1"}, {"serial": "S2"}]
    given = decommission_confirmation("t-1", disks)
    assert given == decommission_confirmation("t-1", disks[::-1])
    assert given != decommission_confirmation("t-1", disks[:1])
    assert given != decommission_confirmation("t-2", disks)
    assert decommission_confirmation("t-1", []).startswith("t-1:")


def test_a_certificate_shows_a_later_change() -> None:
    made = certificate(BODY)
    body = {name: value for name, value in made.items() if name != "sha256"}
    assert certificate(body) == made
    assert certificate({**body, "disks": ["S1"]})["sha256"] != made["sha256"]


def test_a_disk_that_was_not_erased_is_not_said_to_be() -> None:
    page = certificate_page(certificate(BODY))
    assert "| S1 | sanitize | yes |" in page
    assert "| S2 | not erased | no |" in page


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts")) as made:
        made.checkout.release("first")
        made.configure()
        yield made


def end(hosts: Hosts, name: str, *, fails: bool = False, **given: Any) -> str:
    return hosts.play("decommission.yml", "--limit", name, fails=fails, **given).output


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_host_goes_and_the_other_answers(hosts: Hosts) -> None:
    confirm = decommission_confirmation("t-2", [])
    work = hosts.checkout.environment.work
    escrow = work / "escrow/t-2/recovery.cms"
    escrow.parent.mkdir(parents=True)
    escrow.write_text("encrypted")
    for given in ({}, {"decommission_confirm": decommission_confirmation("t-1", [])}):
        assert f"decommission_confirm={confirm}" in end(hosts, "t-2", fails=True, **given)
    assert hosts.model("t-2") == hosts.model("t-1") != ""
    with Traffic(hosts.gateways).running(senders=2) as traffic:
        said = end(hosts, "t-2", decommission_confirm=confirm, decommission_by="A. Person")
    assert traffic.lost == []
    assert "remove t-2 from every group" in said
    gone = "ls /etc/credstore.encrypted/* /var/lib/landfall /opt/landfall /etc/landfall/units"
    assert hosts.ssh("t-2", f"{gone} 2>/dev/null", check=False) == ""
    assert hosts.ssh("t-2", "systemctl is-active nginx", check=False).strip() == "inactive"
    assert not escrow.exists()
    [path] = (work / "decommissioned").glob("t-2-*.json")
    found = json.loads(path.read_text())
    body = {name: value for name, value in found.items() if name != "sha256"}
    assert certificate(body) == found
    assert found["by"] == "A. Person"
    assert found["sha256"] in path.with_suffix(".md").read_text()


@pytest.mark.host
@pytest.mark.timeout(900)
def test_a_second_run_certifies_nothing_new_and_the_last_host_stays(hosts: Hosts) -> None:
    folder = hosts.checkout.environment.work / "decommissioned"
    before = sorted(folder.iterdir())
    end(hosts, "t-2", decommission_confirm=decommission_confirmation("t-2", []))
    assert sorted(folder.iterdir()) == before
    said = end(hosts, "t-1", fails=True, decommission_confirm=decommission_confirmation("t-1", []))
    assert "t-1 was not touched: without it 0 hosts answer" in " ".join(said.split())
    assert hosts.model("t-1") != ""
