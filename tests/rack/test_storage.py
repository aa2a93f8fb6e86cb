"""From empty disks to a mounted array, and through a pulled disk, without losing a write."""

from __future__ import annotations

import pytest

from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.short, pytest.mark.timeout(2400)]

HARDWARE = server("st-1", disk_mib=512)


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot.clone(HARDWARE)


def test_check_mode_foresees_every_step_and_a_second_run_changes_nothing(
    guest: Guest, playbooks: Playbooks
) -> None:
    hosts = {guest: disks.variables(HARDWARE.disks)}
    given = disks.values(playbooks.folder)
    shown = playbooks.play("storage.yml", "--check", "--diff", "-v", hosts=hosts, values=given)
    assert "RAID 10 of ST-1-NVME0" in shown.output
    assert (
        guest.run("cat /proc/mdstat; wipefs /dev/nvme*n1; ls /var/lib/landfall || true").count("\n")
        <= 3
    )  # nothing was made
    foreseen = disks.steps(shown.output)
    assert len(foreseen) >= 11

    done = playbooks.play("storage.yml", "-v", hosts=hosts, values=given)
    assert disks.steps(done.output) == foreseen
    assert "[UUUU]" in done.output

    again = playbooks.play("storage.yml", "-v", hosts=hosts, values=given)
    assert again.counts["st-1"]["changed"] == 0


def test_the_recovery_key_is_in_escrow_and_nowhere_else(guest: Guest, playbooks: Playbooks) -> None:
    key = disks.opened(playbooks.folder, "st-1", "recovery.cms").decode()
    guest.run("install -m 0400 /dev/stdin /run/tried", stdin=key)
    guest.run("cryptsetup open --test-passphrase --key-file /run/tried /dev/md/data")
    guest.run("rm /run/tried")
    header = disks.opened(playbooks.folder, "st-1", "header.cms")
    assert header.startswith(b"LUKS\xba\xbe\x00\x02")
    found = guest.run(f"grep -rlF {key[:26]} /etc /var /root /home /run /tmp || true")
    assert found == ""
    assert key[:26] not in (playbooks.folder / "play.log").read_text()


def test_a_pulled_disk_loses_nothing_and_is_replaced(guest: Guest, playbooks: Playbooks) -> None:
    assert disks.pull_disks(guest, 1).lost == 0
    spare = HARDWARE.spare
    assert spare is not None
    with disks.writing(guest, 1000) as writes:
        failed = guest.pull(1)
    assert disks.state(guest)["degraded"] == "1"
    guest.plug(spare, bay=1)
    members = [spare if each.serial == failed.serial else each for each in HARDWARE.disks]
    assert spare in members
    given = disks.values(playbooks.folder)
    refused = playbooks.play(
        "storage.yml",
        hosts={guest: disks.variables(HARDWARE.disks)},
        values=given,
        check=False,
    )
    assert "no disk has the serial number ST-1-NVME1; the array has to do without" in refused.output
    given |= {"storage_failed": failed.serial, "storage_new": spare.serial}
    hosts = {guest: disks.variables(members)}
    done = playbooks.play("replace-disk.yml", "-v", hosts=hosts, values=given)
    assert "0 sectors differ" in done.output
    assert writes.lost(guest) == []
    assert disks.state(guest)["degraded"] == "0"
