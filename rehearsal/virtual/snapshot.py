"""A booted server, kept: others start from it in seconds.

The snapshot has booted without disks and data cards, which cannot be saved. A restored server
shares its memory copy-on-write, gets disks and cards of its own by hot-plug, and then a name,
keys and the time. What DMI says is the snapshot's until the next boot.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landfall import process
from landfall.errors import CommandFailed, Unreachable
from rehearsal import cache
from rehearsal.door import LOOPBACK
from rehearsal.virtual import machine, qmp
from rehearsal.virtual.access import Access
from rehearsal.virtual.guest import ASK_EVERY_S, BOOT_TIMEOUT_S, Guest, greets
from rehearsal.virtual.hardware import Hardware
from rehearsal.virtual.image import Image
from rehearsal.virtual.machine import QEMU, Places

Progress = Callable[[str], None]

RECIPE = 1
"""Raise it when `WARM` or the way a snapshot is made changes."""

NAME = "snapshot"

MODULES = "nvme virtio_net md_mod raid10 dm_crypt xfs bonding 8021q"

WARM = f"""
set -e
systemctl is-system-running --wait || true
modprobe --all {MODULES}
python3 -c 'import json, subprocess, ssl, zipfile'
sync
echo 3 > /proc/sys/vm/drop_caches
fstrim /
"""
"""Run before the state is saved: what every server would load, and no memory that none needs."""

SAVE_TIMEOUT_S = 120.0
RESTORE_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The files of a snapshot: read only, and shared by all servers that start from it."""

    folder: Path

    @property
    def state(self) -> Path:
        """Processors and devices."""
        return self.folder / "state"

    @property
    def root(self) -> Path:
        """The root disk as it was, over the image."""
        return self.folder / "root.qcow2"

    @property
    def access(self) -> Access:
        """The keys that open a restored server until it has its own."""
        return Access(folder=self.folder / "ssh")


def ensure(cache_folder: Path, image: Image, on_progress: Progress) -> Snapshot:
    """The snapshot of `image` for this QEMU, below `cache_folder`; made on first use (a minute).

    Raises:
        Unreachable: the server did not boot; the message quotes the end of its console.
    """
    version = process.run([QEMU, "--version"]).stdout.splitlines()[0]
    places = Places(folder=Path("folder"), ssh_port=0)
    plain = Hardware(name=NAME)
    command = machine.snapshot_command(plain, places, image, memory=Path("memory"), restore=False)
    final = cache_folder / f"snapshot-{cache.digest(RECIPE, version, WARM, *command)}"
    return Snapshot(folder=cache.once(final, lambda part: _make(part, image, on_progress)))


def start(guest: Guest, snapshot: Snapshot) -> None:
    """Switch a server on from the snapshot, where it can be; else boot it.

    It cannot be with a TPM, OVMF or volatile caches, nor where the server has run before: its
    root disk is no longer the snapshot's.

    Raises:
        Unreachable: it does not answer; the message quotes the end of its console.
    """
    if guest.running:
        return
    if not guest.hardware.clonable or guest.places.root.exists():
        guest.boot()
        return
    guest.prepare(snapshot.root, "qcow2")
    command = machine.snapshot_command(
        guest.hardware,
        guest.places,
        guest.image,
        memory=snapshot.folder,
        restore=True,
        services=guest.services,
    )
    guest.launch(command)
    _restore(guest, snapshot)
    _plug(guest)
    _adopt(guest, snapshot)
    guest.wait_for_ssh()
    guest.run(f"date --set=@{time.time():.2f}")  # last: it is late by one open connection's answer


def _make(part: Path, image: Image, on_progress: Progress) -> None:
    access = Access(folder=part / "ssh")
    access.make()
    with socket.create_server((LOOPBACK, 0)) as trial:
        port = int(trial.getsockname()[1])
    places = Places(folder=part, ssh_port=port)
    guest = Guest(
        hardware=Hardware(name=NAME), places=places, image=image, access=access, namespace=""
    )
    on_progress("booting a server for its snapshot")
    try:
        guest.prepare(image.disk, "raw")
        guest.launch(
            machine.snapshot_command(guest.hardware, places, image, memory=part, restore=False)
        )
        guest.wait_for_ssh()
        guest.run(WARM)
        access.close(port)
        _save(guest, part / "state")
    finally:
        guest.stop()
    for name in ("daemons", "qmp", "identity", "serial.log", "qemu.log"):
        cache.remove(part / name) if (part / name).is_dir() else (part / name).unlink(True)


def _save(guest: Guest, state: Path) -> None:
    _ignore_memory(guest)
    guest.qmp("migrate", uri=f"exec:cat > {state}")
    process.wait_until(
        lambda: guest.qmp("query-migrate").get("status") in {"completed", "failed"},
        timeout_s=SAVE_TIMEOUT_S,
    )
    done = guest.qmp("query-migrate")
    if done.get("status") != "completed":
        raise CommandFailed(f"QEMU did not save the server: {done}")


def _restore(guest: Guest, snapshot: Snapshot) -> None:
    came = process.wait_until(guest.places.qmp.exists, timeout_s=RESTORE_TIMEOUT_S)
    if not came:
        raise Unreachable(f"{guest.name}: QEMU did not start\n{guest.console()}")
    _ignore_memory(guest)
    guest.qmp("migrate-incoming", uri=f"exec:cat {snapshot.state}")
    running = process.wait_until(
        lambda: guest.qmp("query-status")["status"] == "running",
        timeout_s=RESTORE_TIMEOUT_S,
        interval_s=0.05,
    )
    if not running:
        raise Unreachable(f"{guest.name} was not restored\n{guest.console()}")


def _ignore_memory(guest: Guest) -> None:
    """Leave the memory in its files: only processors and devices are in the state."""
    capability = {"capability": "x-ignore-shared", "state": True}
    guest.qmp("migrate-set-capabilities", capabilities=[capability])


def _plug(guest: Guest) -> None:
    with qmp.connect(guest.places.qmp) as connection:
        for bay, disk in guest.bays().items():
            node = machine.drive_node(guest.hardware, guest.places, disk, node=f"drive{bay}")
            connection.execute("blockdev-add", **node)
            connection.execute("device_add", **machine.disk_device(bay, disk))
        for slot in range(len(guest.hardware.nics)):
            connection.execute("device_add", **machine.card_device(guest.hardware, slot))


def _adopt(guest: Guest, snapshot: Snapshot) -> None:
    """Give a restored server its own name, keys, machine id and randomness."""
    script = guest.identity()
    script += f"echo {guest.hardware.uuid.hex} > /etc/machine-id\n"
    script += f"echo {secrets.token_hex(64)} > /dev/urandom\n"
    script += "systemctl reload ssh\nudevadm settle\n"

    def done() -> bool:
        if not greets(guest.places.ssh_port):
            return False
        command = [*snapshot.access.ssh(guest.places.ssh_port)]
        ran = process.run([*command, "sh"], check=False, stdin=script, timeout_s=RESTORE_TIMEOUT_S)
        return ran.returncode == 0

    adopted = process.wait_until(done, timeout_s=BOOT_TIMEOUT_S, interval_s=ASK_EVERY_S)
    snapshot.access.close(guest.places.ssh_port)
    if not adopted:
        raise Unreachable(f"{guest.name} was restored and does not answer\n{guest.console()}")
