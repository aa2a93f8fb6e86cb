"""Disks are pulled, plugged and swapped, and the server sees exactly that."""

from __future__ import annotations

import time

import pytest

from landfall.errors import Busy
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Disk, server
from tests.rack.conftest import Boot, Wait

pytestmark = [pytest.mark.rack, pytest.mark.timeout(600)]

BY_ID = "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_"


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot.clone(server("dk-1", disk_mib=64))


def seen(guest: Guest) -> list[str]:
    return sorted(guest.serials().values())


@pytest.mark.short
def test_a_clone_is_itself(guest: Guest) -> None:
    assert seen(guest) == [f"DK-1-NVME{bay}" for bay in range(4)]
    name, machine = guest.run("hostname; cat /etc/machine-id").split()
    assert (name, machine) == ("dk-1", guest.hardware.uuid.hex)
    macs = guest.run("cat /sys/class/net/en*/address").split()
    assert sorted(macs) == [nic.mac for nic in guest.hardware.nics]
    assert abs(time.time() - float(guest.run("date +%s.%N"))) < 5  # the snapshot is older


@pytest.mark.short
def test_a_pulled_disk_is_gone_and_its_replacement_is_another(
    guest: Guest, eventually: Wait
) -> None:
    guest.run(f"echo mine | dd of={BY_ID}DK-1-NVME1 conv=fsync status=none")
    pulled = guest.pull(1)
    assert seen(guest) == ["DK-1-NVME0", "DK-1-NVME2", "DK-1-NVME3"]
    assert guest.hardware.spare is not None
    assert guest.plug(guest.hardware.spare) == 1
    eventually(lambda: "DK-1-SPARE" in seen(guest))
    assert guest.run(f"udevadm settle; head -c 4 {BY_ID}DK-1-SPARE | tr '\\0' -") == "----"
    guest.pull(1)
    guest.plug(pulled, bay=6)
    eventually(lambda: "DK-1-NVME1" in seen(guest))
    assert guest.run(f"udevadm settle; head -c 4 {BY_ID}DK-1-NVME1") == "mine"
    with pytest.raises(Busy, match="bay 6 holds DK-1-NVME1"):
        guest.plug(guest.hardware.spare, bay=6)


@pytest.mark.short
def test_a_disk_warns(guest: Guest) -> None:
    command = f"nvme smart-log -o json {BY_ID}DK-1-NVME0"
    assert '"critical_warning":0' in guest.run(command).replace(" ", "")
    guest.warn(0, 4)
    assert '"critical_warning":4' in guest.run(command).replace(" ", "")


def test_serials_are_swapped_while_it_is_off(guest: Guest) -> None:
    first, twin = Disk(serial="SAME", size_mib=64), Disk(serial="SAME", size_mib=64, label="twin")
    with pytest.raises(Busy, match="dk-1 runs"):
        guest.arrange({0: first})
    guest.power_off()
    guest.arrange({0: first, 5: twin})
    guest.boot()
    assert seen(guest) == ["SAME", "SAME"]
