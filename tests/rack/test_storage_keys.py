"""Opened by a TPM until firmware changes, and by a key server however late it comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from landfall import process
from rehearsal.virtual.guest import Guest
from rehearsal.virtual.hardware import Firmware, server
from rehearsal.virtual.machine import Service
from tests.rack import disks
from tests.rack.conftest import Boot, Playbooks

pytestmark = [pytest.mark.rack, pytest.mark.timeout(3600)]

TPM = server("sk-1", disk_mib=512, tpm=True)
TANG = server("sg-1", disk_mib=512)
TANGD = Path("/usr/libexec/tangd")
MARK = f"{disks.MOUNT}/mark"


def mounted(guest: Guest) -> bool:
    return guest.run(f"cat {MARK} 2>/dev/null || true", check=False) == "there\n"


def wait_for_mount(guest: Guest) -> None:
    assert process.wait_until(lambda: mounted(guest), timeout_s=300, interval_s=3)


def test_a_tpm_opens_it_until_firmware_changes_and_again_after_resealing(
    boot: Boot, playbooks: Playbooks
) -> None:
    guest = boot(TPM)
    hosts = {guest: disks.variables(TPM.disks, unlock="tpm2")}
    playbooks.play("storage.yml", hosts=hosts, values=disks.values(playbooks.folder))
    guest.run(f"echo there > {MARK}; sync")
    guest.restart()
    wait_for_mount(guest)

    guest.power_off()
    changed = replace(guest, hardware=replace(TPM, firmware=Firmware.OVMF))
    changed.boot()

    def loud() -> bool:
        said = changed.run("systemctl is-failed systemd-cryptsetup@data", check=False)
        return said == "failed\n"

    assert process.wait_until(loud, timeout_s=300, interval_s=3)
    assert not mounted(changed)
    key = disks.opened(playbooks.folder, "sk-1", "recovery.cms").decode()
    changed.run("cryptsetup open --test-passphrase --key-file - /dev/md/data", stdin=key)

    given = disks.values(playbooks.folder, storage_recovery_key=key)
    now = {changed: hosts[guest]}
    playbooks.play("storage.yml", "--tags", "reseal", hosts=now, values=given)
    assert mounted(changed)
    assert key not in (playbooks.folder / "play.log").read_text()
    again = playbooks.play("storage.yml", hosts=now, values=disks.values(playbooks.folder))
    assert again.counts["sk-1"]["changed"] == 0
    changed.restart()
    wait_for_mount(changed)
    changed.power_off()


@pytest.mark.skipif(not TANGD.exists(), reason="no tangd (apt-get install tang)")
def test_a_key_server_opens_it_at_boot_also_when_it_comes_late(
    boot: Boot, playbooks: Playbooks
) -> None:
    keys = playbooks.folder / "tang"
    keys.mkdir()
    process.run([TANGD.with_name("tangd-keygen"), keys])
    # a key's file is named after its thumbprint
    [thumbprint] = [path.stem for path in keys.glob("*.jwk") if '"verify"' in path.read_text()]
    # QEMU sends what a service says on its standard error to the server as well
    quiet = keys.with_name("tangd.sh")
    quiet.write_text(f"#!/bin/sh\nexec {TANGD} {keys} 2>/dev/null\n")
    quiet.chmod(0o755)
    off = boot.guest(TANG)
    tangd = Service(port=7500, command=(str(quiet),))
    guest = replace(off, services=(*off.services, tangd))
    guest.boot()
    tang = [{"url": "http://10.0.2.100:7500", "thumbprint": thumbprint}]
    site = {"escrow": None, "services": {"tang": tang}}
    hosts = {guest: disks.variables(TANG.disks, unlock="tang")}
    given = disks.values(playbooks.folder, landfall_site=site)
    playbooks.play("storage.yml", hosts=hosts, values=given)
    guest.run(f"echo there > {MARK}; sync")
    guest.restart()
    wait_for_mount(guest)

    away = keys.with_name("tang-away")
    guest.power_off()
    keys.rename(away)  # an empty folder would get new keys, and answer with them
    guest.boot()
    assert not process.wait_until(lambda: mounted(guest), timeout_s=120, interval_s=10)
    away.rename(keys)
    wait_for_mount(guest)
