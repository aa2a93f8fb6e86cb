"""Disks on which something is, disks that are not what they say, and a root disk that is full."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from landfall import process
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Disk, server
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3600)]

HARDWARE = server("ss-1", disk_mib=512)


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot.clone(HARDWARE)


def refused(guest: Guest, playbooks: Playbooks) -> str:
    """What a run says that must fail, and must change nothing on any disk."""
    before = guest.run(SUMS)
    played = playbooks.play(
        "storage.yml",
        hosts={guest: disks.variables(HARDWARE.disks)},
        values=disks.values(playbooks.folder),
        check=False,
    )
    assert played.counts["ss-1"]["failed"] == 1
    assert guest.run(SUMS) == before
    return re.sub(r"\s+", " ", played.output.replace("\\n", "\n"))


SUMS = "for d in /dev/nvme*n1; do head -c 4M $d | sha256sum; tail -c 4M $d | sha256sum; done"
"""Where file systems, partition tables and arrays say what they are."""


def device(guest: Guest, bay: int) -> str:
    serial = guest.bays()[bay].serial
    return next(path for path, found in guest.serials().items() if found == serial)


def test_two_disks_with_one_serial_number(guest: Guest, playbooks: Playbooks) -> None:
    twin = Disk(serial=HARDWARE.disks[0].serial, size_mib=512, label="twin")
    bays = guest.bays()
    restart_with(guest, {**bays, 5: twin})
    try:
        assert "SS-1-NVME0 is the serial number of /dev/nvme" in refused(guest, playbooks)
    finally:
        restart_with(guest, bays)


def restart_with(guest: Guest, bays: Mapping[int, Disk]) -> None:
    guest.power_off()
    guest.arrange(bays)
    guest.boot()


def test_a_larger_disk_under_a_promised_serial_number(guest: Guest, playbooks: Playbooks) -> None:
    """As after serial numbers were swapped in the inventory."""
    disk = guest.pull(3)
    plug(guest, replace(disk, size_mib=4096, label="large"), bay=3)
    try:
        assert "SS-1-NVME3 has 4.3 GB, the inventory promises 1" in refused(guest, playbooks)
    finally:
        guest.pull(3)
        plug(guest, disk, bay=3)


def plug(guest: Guest, disk: Disk, *, bay: int) -> None:
    """Plug a disk in, and wait until the server sees it."""
    guest.plug(disk, bay=bay)
    assert process.wait_until(lambda: disk.serial in guest.serials().values(), timeout_s=60)


def test_a_full_root_disk_stops_before_anything_is_made(guest: Guest, playbooks: Playbooks) -> None:
    guest.run("mkdir -p /var/lib/landfall/storage; fallocate -l 100T /fill || true")
    guest.run("dd if=/dev/zero of=/fill bs=1M status=none || true; sync", timeout_s=600)
    try:
        # The second is Ansible's own word, where not even its program can be put down.
        said = refused(guest, playbooks)
        assert "No space left on device" in said or "No usable temporary directory" in said
        assert "linux_raid" not in guest.run("wipefs /dev/nvme*n1")
    finally:
        guest.run("rm -f /fill; sync")


def test_others_file_system_and_array_are_refused_and_wiped_only_when_confirmed(
    guest: Guest, playbooks: Playbooks
) -> None:
    first, second, third = (device(guest, bay) for bay in range(3))
    guest.run(f"mkfs.xfs -q -f {first}")
    guest.run(
        f"mdadm --create /dev/md/old --run --level=1 --raid-devices=2 --assume-clean "
        f"{second} {third}; udevadm settle"
    )
    said = refused(guest, playbooks)
    assert "xfs" in said
    assert "linux_raid_member" in said
    [confirmation] = set(re.findall(r"storage_wipe_confirm=(ss-1:[0-9a-f]+)", said))

    hosts = {guest: disks.variables(HARDWARE.disks)}
    inside = {guest: {**hosts[guest], "storage_wipe_confirm": confirmation}}
    given = disks.values(playbooks.folder)
    from_inventory = playbooks.play(
        "storage.yml", "--tags", "wipe", hosts=inside, values=given, check=False
    )
    assert "it may stand in no file of the inventory" in from_inventory.output
    assert "xfs" in guest.run(f"wipefs {first}")

    confirmed = {**given, "storage_wipe_confirm": confirmation}
    shown = playbooks.play(
        "storage.yml", "--tags", "wipe", "--check", "--diff", hosts=hosts, values=confirmed
    )
    assert "lost for ever: xfs" in shown.output
    assert "xfs" in guest.run(f"wipefs {first}")
    playbooks.play("storage.yml", "--tags", "wipe", hosts=hosts, values=confirmed)
    assert guest.run("wipefs /dev/nvme*n1").strip() == ""
    done = playbooks.play("storage.yml", hosts=hosts, values=given)
    assert "[UUUU]" in done.output


def test_a_full_array_survives_a_pulled_disk(guest: Guest) -> None:
    guest.run(f"dd if=/dev/zero of={disks.MOUNT}/full bs=1M status=none || true; sync")
    [left_kib] = guest.run(f"df --output=avail {disks.MOUNT} | tail -1").split()
    assert int(left_kib) < 1024  # no room for another MiB
    disk = guest.pull(2)
    guest.run(f"rm {disks.MOUNT}/full && echo kept > {disks.MOUNT}/kept && sync")
    disks.put_back(guest, disk, 2)
    disks.rebuilt(guest)
    assert guest.run(f"cat {disks.MOUNT}/kept") == "kept\n"


def test_a_damaged_header_comes_back_from_the_escrow(guest: Guest, playbooks: Playbooks) -> None:
    guest.run(
        "systemctl stop srv-data.mount systemd-cryptsetup@data; "
        "dd if=/dev/zero of=/dev/md/data bs=1M count=16 conv=fsync status=none; "
        "! cryptsetup isLuks /dev/md/data"
    )
    header = base64.b64encode(disks.opened(playbooks.folder, "ss-1", "header.cms")).decode()
    guest.run(
        "umask 077; base64 --decode > /dev/shm/header; cryptsetup luksHeaderRestore --batch-mode "
        "/dev/md/data --header-backup-file /dev/shm/header; shred -u /dev/shm/header",
        stdin=header,
    )
    guest.run("systemctl start systemd-cryptsetup@data srv-data.mount")
    assert guest.run(f"cat {disks.MOUNT}/kept") == "kept\n"


def test_erased_disks_come_with_a_certificate(guest: Guest, playbooks: Playbooks) -> None:
    play = playbooks.folder / "erase.yml"
    play.write_text(ERASE)
    hosts = {guest: disks.variables(HARDWARE.disks)}
    given = disks.values(playbooks.folder)
    asked = playbooks.play(str(play), hosts=hosts, values=given, check=False)
    [confirmation] = set(re.findall(r"storage_erase_confirm=(ss-1:[0-9a-f]+)", asked.output))
    assert guest.run(f"cat {disks.MOUNT}/kept") == "kept\n"
    given["storage_erase_confirm"] = confirmation
    done = playbooks.play(str(play), "-v", hosts=hosts, values=given)
    assert done.output.count('"verified": true') >= 4
    assert "user data erase" in done.output
    assert guest.run("wipefs /dev/nvme*n1; cat /etc/crypttab /etc/fstab | grep data || true") == ""
    assert not (playbooks.folder / "escrow/ss-1").exists()


ERASE = """
- hosts: gpu_hosts
  vars:
    storage_array: "{{ landfall_host.array }}"
    storage_disks: "{{ landfall_host.disks }}"
  tasks:
    - name: Erase
      ansible.builtin.import_role:
        name: storage
        tasks_from: erase
"""
