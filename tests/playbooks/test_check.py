"""Check mode before the first run foresees it, task by task; the plan and the facts in files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbooks.foreseen import Surprise, outcomes, surprises, unexpected
from tests.playbooks.several_hosts import Hosts, booted
from tests.playbooks.traffic import ask

UNFORESEEN = Path(__file__).with_name("unforeseen.yml")
JSON = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}


def play(*tasks: tuple[str, dict[str, Any]]) -> str:
    value = [{"task": {"name": name}, "hosts": {"t-1": result}} for name, result in tasks]
    return "a warning\n" + json.dumps({"plays": [{"tasks": value}]}, indent=1) + "\nPLAN {}"


ITEMS = {"changed": True, "results": [{"changed": True}, {"changed": False}]}


def test_outcomes_are_read_per_task_and_item() -> None:
    text = play(
        ("a", {"changed": True}),
        ("a", {"changed": False}),
        ("b", ITEMS),
        ("c", {"failed": True, "msg": "no"}),
    )
    assert list(outcomes(text).values()) == ["a change", "nothing", "1 of 2 changes", "failed: no"]
    assert ("t-1", "a (2)") in outcomes(text)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"changed": True}, {"changed": True}, []),
        ({"skipped": True}, {"changed": False}, []),
        ({"skipped": True}, {"changed": True}, ["foresaw nothing, but a change happened"]),
        ({"changed": True}, {"changed": False}, ["foresaw a change, but nothing happened"]),
        ({"changed": True}, ITEMS, ["foresaw a change, but 1 of 2 changes happened"]),
    ],
)
def test_a_disagreement_is_a_surprise(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    found = surprises(outcomes(play(("a", before))), outcomes(play(("a", after))))
    assert [str(each).removeprefix("t-1: a: ") for each in found] == expected


def test_a_surprise_needs_a_reason_and_a_reason_a_surprise() -> None:
    one = Surprise(host="t-1", task="a", foreseen="nothing", happened="a change")
    entry = {"task": "a", "foreseen": "nothing", "happened": "a change", "reason": "why"}
    assert unexpected([one], [entry]) == []
    assert unexpected([one], []) == [f"not on the list: {one}"]
    assert unexpected([], [entry]) == ["on the list, but foreseen now: a"]
    assert unexpected([one], [{**entry, "reason": ""}]) == ["no reason: a"]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with booted(tmp_path_factory.mktemp("hosts"), ["t-1"]) as made:
        made.checkout.release("first")
        yield made


@pytest.mark.host
@pytest.mark.timeout(900)
def test_check_mode_foresees_the_first_run(hosts: Hosts) -> None:
    assert "Nothing was done" in hosts.play("check.yml", fails=True).output
    listing = "ls -R /etc /opt | sha256sum"
    before = hosts.ssh("t-1", listing)
    plan = hosts.play("check.yml", "--check", env=JSON).output
    assert "gateway : Install nginx" in plan.rpartition("PLAN t-1: ")[2]
    assert hosts.ssh("t-1", listing) == before
    happened = outcomes(hosts.play("site.yml", env=JSON).output)
    allowed = yaml.safe_load(UNFORESEEN.read_text())
    found = unexpected(surprises(outcomes(plan), happened), allowed)
    assert found == [], "\n".join(found)
    assert sum(each != "nothing" for each in happened.values()) > 10
    again = hosts.play("check.yml", "--check", env=JSON).output
    assert "PLAN t-1: 0 would change" in again


@pytest.mark.host
@pytest.mark.timeout(900)
def test_what_a_killed_run_has_written_is_put_into_effect_by_the_next(hosts: Hosts) -> None:
    """As after a kill between the writing of a file and the reload or restart."""
    unit = hosts.ssh("t-1", "cd /etc/systemd/system; ls landfall-engine-*").strip()
    pid = f"systemctl show -p MainPID --value {unit}"
    before = hosts.ssh("t-1", pid)
    # What a killed run leaves: the files are those that are wanted, and older ones are in effect.
    limit = "sed -i 's/client_max_body_size .*/client_max_body_size {};/' /etc/nginx/nginx.conf"
    hosts.ssh("t-1", f"{limit.format('1k')}; systemctl reload nginx; sleep 1")
    assert ask_much(hosts) == 413
    hosts.ssh("t-1", f"{limit.format('256k')}; touch /etc/systemd/system/{unit}")
    foreseen = hosts.play("site.yml", "--check", "--tags", "serving,gateway")
    assert ask_much(hosts) == 413
    done = hosts.play("site.yml", "--tags", "serving,gateway")
    assert ask_much(hosts) == 200
    assert hosts.ssh("t-1", pid) != before
    assert foreseen.counts["t-1"]["changed"] == done.counts["t-1"]["changed"] == 2
    assert hosts.play("site.yml", "--tags", "serving,gateway").counts["t-1"]["changed"] == 0


def ask_much(hosts: Hosts) -> int:
    return ask(hosts.gateways["t-1"], "x" * 20_000).status_code


@pytest.mark.host
@pytest.mark.timeout(900)
def test_facts_are_the_same_twice_and_name_the_unit(hosts: Hosts) -> None:
    path = hosts.checkout.environment.work / "facts/t-1.json"
    hosts.play("facts.yml")
    found = json.loads(path.read_text())
    assert found["system"]["distribution"] == "Debian"
    assert found["nics"][0]["name"] == "host0"
    assert found["promised"]["os"]["distribution"] == "Debian"
    assert found["unit"]["engines"] == [hosts.checkout.release("first")]
    assert "uptime" not in path.read_text()
    assert hosts.play("facts.yml").counts["t-1"]["changed"] == 0
