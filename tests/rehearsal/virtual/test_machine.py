"""QEMU's command line: every device on the node, drive and cable that the hardware says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.virtual.hardware import (
    BAYS,
    Disk,
    Firmware,
    Hardware,
    Nic,
    bay_node,
    server,
    slot_node,
)
from rehearsal.virtual.image import Image
from rehearsal.virtual.machine import Places, Service, command, snapshot_command

PLACES = Places(folder=Path("/r"), ssh_port=2222)
IMAGE = Image(folder=Path("/i"))


def words(hardware: Hardware, **bays: Disk) -> list[str]:
    placed = {int(bay[1:]): disk for bay, disk in bays.items()} or dict(enumerate(hardware.disks))
    return command(hardware, PLACES, IMAGE, bays=placed)


def objects(argv: list[str], option: str) -> list[dict[str, Any]]:
    """The JSON values of an option."""
    values = [value for name, value in itertools.pairwise(argv) if name == option]
    return [json.loads(value) for value in values if value.startswith("{")]


def ports(argv: list[str]) -> dict[str, int]:
    """The NUMA node of each bay and slot."""
    found = {}
    for word in argv:
        if word.startswith("pcie-root-port,"):
            options = dict(part.split("=") for part in word.split(",")[1:])
            found[options["id"]] = int(options["bus"].removeprefix("node"))
    return found


PLACED = st.dictionaries(
    st.integers(0, BAYS - 1), st.tuples(st.text("ABC", min_size=1), st.booleans()), max_size=BAYS
)


@given(PLACED)
def test_every_disk_is_in_its_bay_with_its_serial(placed: dict[int, tuple[str, bool]]) -> None:
    bays = {
        bay: Disk(serial=serial, label=f"d{bay}" if twin else "")
        for bay, (serial, twin) in placed.items()
    }
    argv = command(Hardware(name="t"), PLACES, IMAGE, bays=bays)
    devices = [each for each in objects(argv, "-device") if each["driver"] == "nvme"]
    drives = {each["node-name"] for each in objects(argv, "-blockdev")}
    assert {each["bus"]: each["serial"] for each in devices} == {
        f"bay{bay}": disk.serial for bay, disk in bays.items()
    }
    used = [each["drive"] for each in objects(argv, "-device") if "drive" in each]
    assert set(used) == drives - {"root"}
    assert len(used) == len(bays)


def test_bays_and_slots_sit_on_both_nodes() -> None:
    found = ports(words(server("t")))
    assert found == {f"bay{bay}": bay_node(bay) for bay in range(8)} | {
        f"slot{slot}": slot_node(slot) for slot in range(4)
    }
    assert {found[f"bay{bay}"] for bay in range(4)} == {0, 1}


def test_caches_stand_before_all_disks_or_none() -> None:
    drivers = {
        volatile: {
            each["driver"]
            for each in objects(words(server("t", volatile_caches=volatile)), "-blockdev")
        }
        for volatile in (True, False)
    }
    assert drivers == {True: {"nbd"}, False: {"qcow2"}}


@pytest.mark.parametrize(
    ("hardware", "expected"),
    [
        (server("t", tpm=True), "tpm-crb,tpmdev=tpm0"),
        (server("t", firmware=Firmware.OVMF), "if=pflash,format=raw,file=/r/variables.fd"),
        (server("big"), "type=1,manufacturer=Dell Inc.,product=PowerEdge R750xa,serial=BIG"),
        (Hardware(name="t", memory_mib=4096), "4096M"),
        (Hardware(name="t", kernel_words=("audit=1",)), "random.trust_cpu=on audit=1"),
    ],
)
def test_options(hardware: Hardware, expected: str) -> None:
    argv = words(hardware)
    assert any(expected in word for word in argv)
    assert not any(expected in word for word in words(server("plain")))


def test_the_private_key_is_not_on_the_command_line() -> None:
    assert "type=11,path=/r/identity" in words(server("t"))


def test_management_leads_to_services_and_nowhere_else() -> None:
    service = Service(port=80, command=("carry", "a,b"))
    argv = command(server("t"), PLACES, IMAGE, bays={}, services=[service])
    [network] = [word for word in argv if word.startswith("user,")]
    assert ",restrict=on," in network
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in network
    assert "guestfwd=tcp:10.0.2.100:80-cmd:carry a,,b" in network


def test_two_disks_of_one_serial_need_names_of_their_own() -> None:
    argv = words(server("t"), b0=Disk(serial="SAME"), b1=Disk(serial="SAME", label="twin"))
    first, second = (each for each in objects(argv, "-device") if each["driver"] == "nvme")
    assert first["serial"] == second["serial"] == "SAME"
    assert "subsys" not in first
    assert second["subsys"] == "apart1"


def test_a_snapshot_is_restored_by_the_command_that_made_it() -> None:
    """Only what is no state may differ: files, cables, names, and where it comes from."""
    plain, real = Hardware(name="snapshot"), server("t")
    made = snapshot_command(plain, PLACES, IMAGE, memory=Path("/m"), restore=False)
    restored = snapshot_command(real, PLACES, IMAGE, memory=Path("/m"), restore=True)
    devices = [
        [value for name, value in itertools.pairwise(argv) if name == "-device"]
        for argv in (made, restored)
    ]
    assert devices[0] == devices[1]
    assert restored[-2:] == ["-incoming", "defer"]
    assert [word.replace("share=on", "share=off") for word in made if "memory-backend" in word] == [
        word for word in restored if "memory-backend" in word
    ]


@pytest.mark.parametrize(
    ("hardware", "can"),
    [
        (server("t"), True),
        (server("t", tpm=True), False),
        (server("t", volatile_caches=True), False),
        (server("t", firmware=Firmware.OVMF), False),
        (Hardware(name="t", memory_mib=4096), False),
        (Hardware(name="t", kernel_words=("audit=1",)), False),
    ],
)
def test_what_can_start_from_a_snapshot(hardware: Hardware, can: bool) -> None:
    assert hardware.clonable is can


def test_a_chassis_has_an_end() -> None:
    disks = tuple(Disk(serial=str(number)) for number in range(9))
    with pytest.raises(ValueError, match="8 disks and 4 network cards fit"):
        Hardware(name="t", disks=disks)
    with pytest.raises(ValueError, match="at most 12 characters"):
        Hardware(name="a-very-long-name")
    assert Hardware(name="t", nics=(Nic(mac="52:54:00:00:00:01"),)).nics
