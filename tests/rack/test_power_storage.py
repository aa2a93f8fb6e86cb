"""The power goes while the array is made, while XFS is made, while it is rebuilt: run again."""

from __future__ import annotations

import json

import pytest

from landfall import process
from landfall.errors import CommandFailed
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3600)]

HARDWARE = server("sp-1", disk_mib=512, volatile_caches=True)
JOURNAL = "/var/lib/landfall/storage/data.json"


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot(HARDWARE)


def begun(guest: Guest, step: str) -> bool:
    """Whether the journal says that a step has begun, or is just over."""
    try:
        text = guest.run(f"cat {JOURNAL} || true", timeout_s=60)
    except CommandFailed:
        return False
    found = json.loads(text or "{}")
    return step in (found.get("begun"), *found.get("finished", ()))


def HOSTS(guest: Guest) -> dict[Guest, dict[str, object]]:  # noqa: N802  the same every time
    return {guest: disks.variables(HARDWARE.disks)}


def given(playbooks: Playbooks) -> dict[str, object]:
    return disks.values(playbooks.folder)


@pytest.mark.parametrize("step", ["create", "encrypt", "fill"])
def test_cut_while_it_is_made(guest: Guest, playbooks: Playbooks, step: str) -> None:
    disks.cut_when(guest, playbooks, hosts=HOSTS(guest), ready=lambda: begun(guest, step))
    guest.boot()
    if step == "fill":
        done = playbooks.play("storage.yml", "-v", hosts=HOSTS(guest), values=given(playbooks))
        assert "[UUUU]" in done.output
        again = playbooks.play("storage.yml", hosts=HOSTS(guest), values=given(playbooks))
        assert again.counts["sp-1"]["changed"] == 0


def test_cut_while_it_is_rebuilt(guest: Guest, playbooks: Playbooks) -> None:
    with disks.writing(guest) as writes:
        process.wait_until(lambda: False, timeout_s=5)
    failed = guest.pull(1)
    spare = HARDWARE.spare
    assert spare is not None
    guest.plug(spare, bay=1)
    members = [spare if each.serial == failed.serial else each for each in HARDWARE.disks]
    speed = "echo 2000 > /proc/sys/dev/raid/speed_limit_max"
    guest.run(
        f"{speed}; D=$(lsblk -dnpo NAME,SERIAL | awk '$2 == \"{spare.serial}\" {{print $1}}')"
        "; mdadm /dev/md/data --add $D"
    )
    assert disks.state(guest)["sync_action"] == "recover"
    guest.cut_power()
    guest.boot()
    hosts = {guest: disks.variables(members)}
    both = {"storage_failed": failed.serial, "storage_new": spare.serial}
    done = playbooks.play(
        "replace-disk.yml", "-v", hosts=hosts, values={**given(playbooks), **both}
    )
    assert "0 sectors differ" in done.output
    assert writes.lost(guest) == []
