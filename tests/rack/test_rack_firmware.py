"""A TPM that remembers, and firmware that measures into it."""

from __future__ import annotations

import pytest

from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Firmware, server
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.timeout(900)]

PCRS = "/sys/class/tpm/tpm0/pcr-sha256"


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot(server("fw-1", disk_mib=64, tpm=True, firmware=Firmware.OVMF))


def measured(guest: Guest, pcr: int) -> str:
    return guest.run(f"cat {PCRS}/{pcr}").strip().lower()


def test_the_firmware_measures_the_kernel_and_its_command_line(guest: Guest) -> None:
    for there in ("/sys/firmware/efi", "/dev/tpmrm0"):
        guest.run(f"test -e {there}")
    for pcr in (7, 9):  # the Secure Boot policy; initial RAM disk and command line
        assert set(measured(guest, pcr)) != {"0"}


def test_the_tpm_is_the_same_after_a_cold_start(guest: Guest) -> None:
    write = "tpm2_nvdefine -s 4 0x1500001 && printf kept | tpm2_nvwrite -i - 0x1500001"
    guest.run(f"{write} >/dev/null")
    before = {pcr: measured(guest, pcr) for pcr in (7, 9)}
    guest.restart()
    assert guest.run("tpm2_nvread -s 4 0x1500001") == "kept"
    assert {pcr: measured(guest, pcr) for pcr in (7, 9)} == before
