"""A power cut is a real one: what a drive had not flushed is gone, what it had is there."""

from __future__ import annotations

import pytest

from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import server
from tests.rack.conftest import Boot

pytestmark = [pytest.mark.rack, pytest.mark.timeout(600)]

FLUSHED, UNFLUSHED = 100, 200
"""Blocks of 4 KiB on the raw disk."""

WRITE = """
set -e
d=/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_PC-1-NVME0
put() { head -c 4096 /dev/zero | tr '\\0' "$1" | dd of=$d bs=4096 seek=$2 oflag=direct $3 2>&1; }
put A {flushed} conv=fsync
put B {unflushed}
echo kept > /root/kept; sync
dd if=$d bs=4096 skip={unflushed} count=1 iflag=direct status=none | head -c 4
"""

READ = """
d=/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_PC-1-NVME0
for block in {flushed} {unflushed}; do
  dd if=$d bs=4096 skip=$block count=1 iflag=direct status=none | head -c 4 | tr '\\0' -
done
cat /root/kept
"""


def filled(script: str) -> str:
    blocks = {"{flushed}": FLUSHED, "{unflushed}": UNFLUSHED}
    for word, block in blocks.items():
        script = script.replace(word, str(block))
    return script


@pytest.fixture(scope="module")
def guest(boot: Boot) -> Guest:
    return boot(server("pc-1", disk_mib=64, volatile_caches=True))


def test_a_flushed_block_survives_and_an_unflushed_one_is_lost(guest: Guest) -> None:
    assert guest.run(filled(WRITE)).endswith("BBBB")  # the server reads what it wrote
    guest.cut_power()
    assert not guest.running
    guest.boot()
    assert guest.run(filled(READ)) == "AAAA----kept\n"


def test_an_orderly_shutdown_loses_nothing(guest: Guest) -> None:
    guest.run(filled(WRITE))
    guest.restart()
    assert guest.run(filled(READ)) == "AAAABBBBkept\n"
