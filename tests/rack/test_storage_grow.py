"""An array takes in two more disks: the data stays, though the power goes, and the room comes."""

from __future__ import annotations

import json

import pytest

from landfall import process
from landfall.errors import CommandFailed
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Disk, server
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks, Played

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3600)]

HARDWARE = server("gr-1", disk_mib=512, volatile_caches=True)
MORE = tuple(Disk(serial=f"GR-1-NVME{bay}", size_mib=512) for bay in (4, 5))
ALL = (*HARDWARE.disks, *MORE)
SUMS = f"echo 3 > /proc/sys/vm/drop_caches; cd {disks.MOUNT} && sha256sum kept-*"
SLOWLY = "echo 4000 > /proc/sys/dev/raid/speed_limit_max"
"""KiB/s of each disk: spreading the data takes two minutes, so that the power can go meanwhile."""


@pytest.fixture(scope="module")
def guest(boot: Boot, playbooks: Playbooks) -> Guest:
    """A host with an array of four disks, some data on it, and two more disks in its bays."""
    made = boot(HARDWARE)
    hosts = {made: disks.variables(HARDWARE.disks)}
    playbooks.play("storage.yml", hosts=hosts, values=disks.values(playbooks.folder))
    made.run(
        f"for n in 1 2 3; do head -c 40M /dev/urandom > {disks.MOUNT}/kept-$n; done; sync; {SLOWLY}"
    )
    for disk in MORE:
        made.plug(disk)
    there = {disk.serial for disk in ALL}
    assert process.wait_until(lambda: set(made.serials().values()) >= there, timeout_s=60)
    return made


def grow(guest: Guest, playbooks: Playbooks, *words: str, check: bool = True) -> Played:
    return playbooks.play(
        "storage.yml",
        *("--tags", "grow", "-v", *words),
        hosts={guest: disks.variables(ALL)},
        values=disks.values(playbooks.folder),
        check=check,
    )


def named(played: Played) -> list[str]:
    return [name for name, _ in disks.steps(played.output)]


def room(guest: Guest) -> int:
    return int(guest.run(f"df --output=size -B1M {disks.MOUNT} | tail -1"))


def spreading(guest: Guest) -> bool:
    try:
        return "reshape" in guest.run("cat /proc/mdstat", timeout_s=60)
    except CommandFailed:
        return False


def test_a_disk_with_something_on_it_does_not_come_in(guest: Guest, playbooks: Playbooks) -> None:
    [path] = [path for path, serial in guest.serials().items() if serial == MORE[1].serial]
    guest.run(f"mkfs.xfs -q {path}")
    refused = grow(guest, playbooks, check=False)
    assert f"{MORE[1].serial} ({path}) is not empty: xfs" in refused.output
    guest.run(f"wipefs --all --quiet {path}")
    shown = grow(guest, playbooks, "--check")
    assert named(shown) == ["Grow the array to 6 disks", "Let the file system fill the array"]
    assert guest.run("cat /proc/mdstat").count("nvme") == len(HARDWARE.disks)


def test_data_stays_and_room_comes_though_the_power_goes(
    guest: Guest, playbooks: Playbooks
) -> None:
    before, small = guest.run(SUMS), room(guest)
    hosts = {guest: disks.variables(ALL)}
    disks.cut_when(guest, playbooks, "--tags", "grow", hosts=hosts, ready=lambda: spreading(guest))
    guest.boot()
    done = grow(guest, playbooks)
    # Left out where the boot has opened and mounted it at its new size by itself already.
    filled = "Let the file system fill the array"
    assert [name for name in named(done) if name != filled] == [
        "Let the array go on",
        "Back up the header",
        "Write how it is found and opened",
    ]
    assert "[UUUUUU]" in guest.run("cat /proc/mdstat")
    assert guest.run(SUMS) == before
    assert room(guest) == pytest.approx(small * 1.5, rel=0.05)


def test_a_second_run_changes_nothing(guest: Guest, playbooks: Playbooks) -> None:
    assert grow(guest, playbooks).counts["gr-1"]["changed"] == 0
    usual = playbooks.play(
        "storage.yml",
        hosts={guest: disks.variables(ALL)},
        values=disks.values(playbooks.folder),
    )
    assert usual.counts["gr-1"]["changed"] == 0


def test_the_new_disks_are_in_the_escrow_and_bear_the_loss_of_one(
    guest: Guest, playbooks: Playbooks
) -> None:
    manifest = json.loads((playbooks.folder / "escrow/gr-1/manifest.json").read_text())
    assert set(manifest["members"]) == {disk.serial for disk in ALL}
    with disks.writing(guest) as writes:
        guest.pull(4)
    assert disks.state(guest)["degraded"] == "1"
    assert writes.lost(guest) == []
